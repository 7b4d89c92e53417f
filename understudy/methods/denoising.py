"""A small denoiser of pixels, trained from nothing: its network, its noise levels and how it draws."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from diffusers import DDIMScheduler, UNet2DModel
from torch import Tensor, nn

from understudy.bases.objectives import Corrupted, Objective, Velocity
from understudy.methods.augmenting import NUM_LABELS

NUM_TIMES = 1000
"""What the network reads as all noise, however many levels there are."""
UNSHIFTED_PX = 32
"""Pictures of this side need no shift of the noise."""
COARSEST_PX = 8
"""Here the network attends from every place to every other."""
MOST_WIDTHS = 4
HEAD_CHANNELS = NORM_GROUPS = 8

Denoise = Callable[[Tensor, Tensor], Tensor]
"""Noisy pictures (B, 3, H, W) and their times (B) to the network's answer."""


class Denoiser(nn.Module):
    """diffusers' U-Net; what else it is told is added to the time: what was augmented, which words are said.

    Source: Karras et al., EDM, arXiv 2206.00364, appendix F.2, for the augmentations.
    """

    def __init__(self, size_px: int, width: int, num_words: int) -> None:
        super().__init__()
        num_levels = int(math.log2(size_px // COARSEST_PX)) + 1
        self.unet = UNet2DModel(
            sample_size=size_px,
            block_out_channels=tuple(width * min(MOST_WIDTHS, 2**level) for level in range(num_levels)),
            down_block_types=("DownBlock2D",) * (num_levels - 1) + ("AttnDownBlock2D",),
            up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * (num_levels - 1),
            layers_per_block=1,
            attention_head_dim=HEAD_CHANNELS,
            norm_num_groups=NORM_GROUPS,
            class_embed_type="identity",
        )
        self.told = nn.Linear(NUM_LABELS + num_words, 4 * width, bias=False)

    def forward(self, noisy: Tensor, times_B: Tensor, labels_BA: Tensor, words_BW: Tensor) -> Tensor:
        """The answer, in the shape of `noisy`; `words_BW` is 1 for each word that is said."""
        told = self.told(torch.cat([labels_BA, words_BW], dim=1))
        answer: Tensor = self.unet(noisy, times_B, class_labels=told, return_dict=False)[0]
        return answer


class Levels(Objective, Protocol):
    """An objective that also draws."""

    def count_steps(self, asked: int) -> int:
        """How many steps a picture takes where `asked` are asked for."""
        ...

    def draw(self, denoise: Denoise, noise: Tensor, num_steps: int, tell: Callable[[int], None]) -> Tensor:
        """From noise to pictures; `tell` hears of each step, counted from 1."""
        ...


@dataclass(frozen=True)
class NextLevel:
    """Predict the picture one level cleaner: level k of K, at time k / K of NUM_TIMES, is k / K noise.

    The study says 5 levels and no more; this is how small lessons on diffusion do it.
    """

    num_levels: int

    @property
    def num_times(self) -> int:
        """What the network reads as all noise."""
        return NUM_TIMES

    def sample_times(self, count: int, generator: torch.Generator) -> Tensor:
        """Any level but the clean one."""
        levels = torch.randint(1, self.num_levels + 1, (count,), generator=generator)
        return levels * NUM_TIMES / self.num_levels

    def corrupt(self, clean: Tensor, noise: Tensor, times_B: Tensor) -> Corrupted:
        """The same noise at two levels."""
        share = (times_B.to(clean) / NUM_TIMES).reshape(-1, 1, 1, 1)
        cleaner = share - 1 / self.num_levels
        mixed, target = (clean + one * (noise - clean) for one in (share, cleaner))
        return Corrupted(mixed, target, torch.ones_like(share.flatten()))

    def count_steps(self, asked: int) -> int:
        """One for each level, whatever is asked."""
        return self.num_levels

    def draw(self, denoise: Denoise, noise: Tensor, num_steps: int, tell: Callable[[int], None]) -> Tensor:
        """Level by level."""
        pictures = noise
        for done in range(num_steps):
            time = NUM_TIMES * (1 - done / num_steps)
            pictures = denoise(pictures, torch.full((len(noise),), time, device=noise.device))
            tell(done + 1)
        return pictures


@dataclass(frozen=True)
class VelocityLevels:
    """Predict velocity on a schedule that ends in noise alone; drawn by diffusers' DDIM."""

    velocity: Velocity
    scheduler: DDIMScheduler

    @property
    def num_times(self) -> int:
        """See `Velocity`."""
        return self.velocity.num_times

    def sample_times(self, count: int, generator: torch.Generator) -> Tensor:
        """See `Velocity`."""
        return self.velocity.sample_times(count, generator)

    def corrupt(self, clean: Tensor, noise: Tensor, times_B: Tensor) -> Corrupted:
        """See `Velocity`."""
        return self.velocity.corrupt(clean, noise, times_B)

    def count_steps(self, asked: int) -> int:
        """As many as there are levels, at most."""
        return min(asked, len(self.velocity.alphas_cumprod))

    def draw(self, denoise: Denoise, noise: Tensor, num_steps: int, tell: Callable[[int], None]) -> Tensor:
        """Without noise on the way, so that a picture comes from its first noise alone."""
        scheduler = DDIMScheduler.from_config(self.scheduler.config)
        scheduler.set_timesteps(num_steps)
        pictures = noise
        for done, time in enumerate(scheduler.timesteps.tolist(), start=1):
            answer = denoise(pictures, torch.full((len(noise),), time, device=noise.device))
            pictures = scheduler.step(answer, time, pictures, return_dict=False)[0]
            tell(done)
        return pictures


def make_velocity_levels(size_px: int, num_levels: int) -> VelocityLevels:
    """A cosine schedule with as much more noise as larger pictures need to be hidden.

    Sources: Nichol & Dhariwal, arXiv 2102.09672; Hoogeboom et al., simple diffusion, arXiv 2301.11093,
    equation 4; its end in noise alone: Lin et al., arXiv 2305.08891.
    """
    times = torch.arange(num_levels + 1, dtype=torch.float64) / num_levels
    noise_to_signal = torch.tan(math.pi / 2 * times.clamp(1e-4, 1 - 1e-4)) * size_px / UNSHIFTED_PX
    alphas_cumprod = 1 / (1 + noise_to_signal.square())
    betas = 1 - alphas_cumprod[1:] / alphas_cumprod[:-1]
    scheduler = DDIMScheduler(
        num_train_timesteps=num_levels,
        trained_betas=betas.tolist(),
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=True,
    )
    return VelocityLevels(Velocity(scheduler.alphas_cumprod), scheduler)
