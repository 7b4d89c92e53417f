"""A part of a picture is drawn anew: after every step the rest is put back, as noisy as it must be then.

Source: Avrahami et al., "Blended Latent Diffusion", arXiv 2206.02779. diffusers' own inpainting pipeline does
the same, but for bases whose latents have four channels only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import StableDiffusionImg2ImgPipeline
from torch import Tensor
from torch.nn import functional as F

from understudy.bases.sd1 import Sd1Base
from understudy.domain import Pixels


@dataclass(frozen=True)
class Rest:
    """What stays: `known` latents (1, C, H, W), one `noise` for each picture (B, C, H, W), and where to draw.

    `drawn` is (1, 1, H, W): 1 for latents that are drawn, 0 for those that stay.
    """

    known: Tensor
    noise: Tensor
    drawn: Tensor

    def put_back(self, pipe: StableDiffusionImg2ImgPipeline, step: int, latents: Tensor) -> Tensor:
        """The latents after the pipeline's `step`, counted from 0, with the rest as it was."""
        rest = self.known.expand_as(latents)
        times = pipe.scheduler.timesteps[-pipe.num_timesteps :]
        if step + 1 < len(times):
            rest = pipe.scheduler.add_noise(rest, self.noise, times[step + 1 : step + 2])
        return torch.where(self.drawn > 0, latents, rest).to(latents.dtype)


def find_rest(base: Sd1Base, pixels: Pixels, mask: Pixels, seeds: list[int]) -> Rest:
    """What stays of a picture (height, width, 3) outside `mask` (height, width), for pictures of these seeds.

    A latent that the mask touches anywhere is drawn.
    """
    picture = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    known = base.encode_image(picture).mean
    shape = known.shape[1:]
    noise = torch.stack([_own_noise(seed, shape) for seed in seeds]).to(known.device)
    touched = F.max_pool2d(torch.from_numpy(mask.copy())[None, None].float(), base.latent_px)
    return Rest(known, noise, (touched > 0).float().to(known.device))


def _own_noise(seed: int, shape: torch.Size) -> Tensor:
    """The noise that the pipeline adds for this seed: its second draw, after that of the encoder."""
    generator = torch.Generator("cpu").manual_seed(seed)
    torch.randn(shape, generator=generator)
    return torch.randn(shape, generator=generator)
