"""Pictures to latents, in numbers that hold what the autoencoder computes on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from understudy.bases.base import Base, Latents
from understudy.bases.overflowing import without_overflow
from understudy.domain import Pixels, UserError
from understudy.events import Notify, Step

ENCODE_BATCH = 2
"""Small, because the encoder at full size needs more memory than all steps: nothing else decides the peak."""


def encode_pictures(base: Base, pictures: Sequence[Pixels], notify: Notify) -> Latents:
    """The latents of pictures of the base's size; raises `UserError` where they overflow."""
    latents = []
    with without_overflow(base):
        for first in range(0, len(pictures), ENCODE_BATCH):
            notify(Step("preparing", first, len(pictures)))
            latents.append(base.encode_image(_to_tensor(pictures[first : first + ENCODE_BATCH])))
    notify(Step("preparing", len(pictures), len(pictures)))
    mean, std = (torch.cat(parts) for parts in zip(*((one.mean, one.std) for one in latents), strict=True))
    if not (mean.isfinite().all() and std.isfinite().all()):
        raise UserError(
            f"The base's autoencoder overflows in {base.plan.precision}: learn in a new run folder with "
            "--precision fp32, or, where it was that, get the base again."
        )
    return Latents(mean, std)


def _to_tensor(pictures: Sequence[Pixels]) -> Tensor:
    """Bytes (H, W, 3) to -1 ... 1, channels first."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
