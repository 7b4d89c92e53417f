"""A part of a picture is drawn anew: after every step the rest is put back, as noisy as it must be then.

Source: Avrahami et al., "Blended Latent Diffusion", arXiv 2206.02779. diffusers' own inpainting pipeline does
the same, but for bases whose latents have four channels only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor
from torch.nn import functional as F

from understudy.bases.base import Base
from understudy.bases.noising import encode_pixels
from understudy.bases.pipelines import redrawing_noise
from understudy.domain import Pixels


@dataclass(frozen=True)
class Rest:
    """What stays: `known` latents, one `noise` for each picture, and where to draw, as the base has them.

    `drawn` is 1 for latents that are drawn, 0 for those that stay. All are in the pipeline's own layout.
    """

    known: Tensor
    noise: Tensor
    drawn: Tensor

    def put_back(self, pipe: Any, step: int, latents: Tensor) -> Tensor:
        """The latents after the pipeline's `step`, counted from 0, with the rest as it was."""
        rest = self.known.expand_as(latents)
        times = pipe.scheduler.timesteps[-pipe.num_timesteps :]
        if step + 1 < len(times):
            rest = _add_noise(pipe.scheduler, rest, self.noise, times[step + 1 : step + 2])
        return torch.where(self.drawn > 0, latents, rest).to(latents.dtype)


def find_rest(base: Base, pixels: Pixels, mask: Pixels, seeds: list[int]) -> Rest:
    """What stays of a picture (height, width, 3) outside `mask` (height, width), for pictures of these seeds.

    A latent that the mask touches anywhere is drawn.
    """
    known = encode_pixels(base, pixels)
    shape = known.shape[1:]
    noise = torch.stack([redrawing_noise(seed, shape) for seed in seeds]).to(known.device)
    touched = F.max_pool2d(torch.from_numpy(mask.copy())[None, None].float(), base.latent_px)
    drawn = (touched > 0).float().to(known.device).expand_as(known)
    return Rest(*map(base.as_drawn, (known, noise, drawn)))


def _add_noise(scheduler: Any, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
    """As noisy as at `times`, of which there is one."""
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        mixed: Tensor = scheduler.scale_noise(clean, times, noise)
    else:
        mixed = scheduler.add_noise(clean, noise, times)
    return mixed
