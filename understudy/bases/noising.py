"""A flow that begins from a picture: its latents as noisy as they are before the steps that are left.

For families whose pipeline draws from a picture only by looking at it; their pipeline that draws from noise
takes latents and shares of noise as well (SDEdit, Meng et al., arXiv 2108.01073).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from torch import Tensor

from understudy.bases.base import Base
from understudy.bases.overflowing import without_overflow
from understudy.bases.pipelines import redrawing_noise
from understudy.domain import Pixels

SHIFTING = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
"""What a scheduler's config says of how pictures of a size are shifted, as diffusers' pipelines take it."""


def encode_pixels(base: Base, pixels: Pixels) -> Tensor:
    """The latents (1, C, H, W) of a picture (height, width, 3)."""
    pixels_13HW = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with without_overflow(base):
        return base.encode_image(pixels_13HW).mean


def begin_noisy(
    base: Base,
    pipe: Any,
    pixels: Pixels,
    strength: float,
    steps: int,
    seeds: Sequence[int],
    find_mu: Callable[[Tensor], float],
) -> tuple[Tensor, dict[str, object]]:
    """Latents (B, C, H, W) from which `pipe` takes the last of the steps, and what else its call is given.

    They begin from a picture, pixels (height, width, 3), as noisy as it must be before these steps. `find_mu`
    says by how much a scheduler that shifts by the picture's size does so for its latents.
    """
    height, width = pixels.shape[:2]
    clean = encode_pixels(base, pixels)
    taken = base.count_redrawn(steps, strength)
    latents, sigmas = make_noisy(clean, pipe.scheduler, find_mu(clean), steps, taken, seeds)
    return latents, {"sigmas": sigmas, **base.sizing(width, height)}


def begin_packed(
    base: Base, pipe: Any, pixels: Pixels, strength: float, steps: int, seeds: Sequence[int]
) -> dict[str, object]:
    """The same for a pipeline that is given 2 x 2 latents as one place, and shifts by how many there are."""

    def find_mu(clean: Tensor) -> float:
        config = pipe.scheduler.config
        return float(calculate_shift(clean[0, 0].numel() // 4, *(config[knob] for knob in SHIFTING)))

    latents, told = begin_noisy(base, pipe, pixels, strength, steps, seeds, find_mu)
    return {"latents": base.as_drawn(latents), **told}


def make_noisy(
    clean: Tensor, scheduler: Any, mu: float, steps: int, taken: int, seeds: Sequence[int]
) -> tuple[Tensor, list[float]]:
    """Latents for each seed, and the shares of noise, before shifting, of the last `taken` of `steps`.

    `mu` is by how much a scheduler that shifts by the picture's size does so.
    """
    sigmas = np.linspace(1.0, 1 / steps, steps)[steps - taken :]
    fresh = type(scheduler).from_config(scheduler.config)
    fresh.set_timesteps(sigmas=sigmas, mu=mu)
    share = float(fresh.sigmas[0])
    noise = torch.stack([redrawing_noise(seed, clean.shape[1:]) for seed in seeds]).to(clean)
    return (1 - share) * clean + share * noise, sigmas.tolist()
