"""A flow that begins from a picture: its latents as noisy as they are before the steps that are left.

For families whose pipeline draws from a picture only by looking at it; their pipeline that draws from noise
takes latents and shares of noise as well (SDEdit, Meng et al., arXiv 2108.01073).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from understudy.bases.base import Base, redrawing_noise
from understudy.domain import Pixels

SHIFTING = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
"""What a scheduler's config says of how pictures of a size are shifted, as diffusers' pipelines take it."""


def encode_pixels(base: Base, pixels: Pixels) -> Tensor:
    """The latents (1, C, H, W) of a picture (height, width, 3)."""
    return base.encode_image(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1).mean


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
