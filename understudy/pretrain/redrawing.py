"""Pictures as the base gives them back: what the judge will mostly see."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import Tensor

from understudy.domain import Pixels

AT_ONCE = 8


class Autoencoded:
    """Encodes pictures (192, 192, 3) and decodes them with some noise on the latents, as from a denoiser."""

    def __init__(self, folder: Path, most_noise: float = 0.25, seed: int = 0) -> None:
        self.model = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32).eval()
        self.model.to(memory_format=torch.channels_last)
        self.most_noise = most_noise
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """Same sizes; a few pictures at a time."""
        made: list[Pixels] = []
        for start in range(0, len(pictures), AT_ONCE):
            latents = encoded(self.model, pictures[start : start + AT_ONCE])
            strength = self.most_noise * torch.rand(len(latents), 1, 1, 1, generator=self.generator).square()
            noise = torch.randn(latents.shape, generator=self.generator)
            made += decoded(self.model, latents + strength * latents.std() * noise)
        return made


class HalfDenoised:
    """Noises pictures up to a share of the schedule and lets the base denoise them in a few steps.

    Without a caption, and not so far that another character could come of it: what the base does to lines,
    faces and flat colour stays, and who is drawn and what they do.
    """

    def __init__(self, folder: Path, most_noise: float = 0.35, steps: int = 3, seed: int = 0) -> None:
        self.pipe = StableDiffusionPipeline.from_pretrained(
            folder, safety_checker=None, torch_dtype=torch.float32
        )
        self.most_noise, self.steps = most_noise, steps
        self.generator = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def __call__(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """Same sizes; a few pictures at a time, which share a noise level."""
        shares = self.pipe.scheduler.alphas_cumprod
        empty = self.pipe.encode_prompt([""], "cpu", 1, False)[0]
        made: list[Pixels] = []
        for start in range(0, len(pictures), AT_ONCE):
            clean = encoded(self.pipe.vae, pictures[start : start + AT_ONCE])
            most = self.most_noise * len(shares)
            last = int(most * (0.3 + 0.7 * torch.rand((), generator=self.generator)))
            times = torch.linspace(last, 0, self.steps + 1).long()
            share = shares[times[0]]
            noisy = share.sqrt() * clean + (1 - share).sqrt() * torch.randn(
                clean.shape, generator=self.generator
            )
            for now, then in itertools.pairwise(times):
                velocity = self.pipe.unet(noisy, now, empty.expand(len(clean), -1, -1)).sample
                alpha, sigma = shares[now].sqrt(), (1 - shares[now]).sqrt()
                clean, noise = alpha * noisy - sigma * velocity, sigma * noisy + alpha * velocity
                # Deterministic (Song et al. 2021, DDIM, arXiv 2010.02502, equation 12 with sigma 0).
                noisy = shares[then].sqrt() * clean + (1 - shares[then]).sqrt() * noise
            made += decoded(self.pipe.vae, clean)
        return made


@torch.no_grad()
def encoded(vae: AutoencoderKL, pictures: Sequence[Pixels]) -> Tensor:
    """Pictures (192, 192, 3) to latents (B, C, 12, 12)."""
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    latents: Tensor = vae.encode(images.contiguous(memory_format=torch.channels_last)).latent_dist.mean
    return latents


@torch.no_grad()
def decoded(vae: AutoencoderKL, latents: Tensor) -> list[Pixels]:
    """Latents (B, C, 12, 12) to pictures (192, 192, 3)."""
    images = vae.decode(latents).sample.clamp(-1, 1)
    return list(((images + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy())
