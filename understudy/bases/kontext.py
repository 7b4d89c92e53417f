"""FLUX.1 Kontext: FLUX.1 that can also look at a picture while it draws.

It looks at one picture only, so several drawings lie on one sheet. Source: Black Forest Labs, FLUX.1 Kontext,
arXiv 2506.15742.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import FluxKontextPipeline
from PIL import Image
from torch import Tensor

from understudy.bases.base import Latents
from understudy.bases.flux import FluxBase
from understudy.bases.noising import begin_packed
from understudy.domain import Pixels


@dataclass(frozen=True)
class KontextBase(FluxBase):
    """An opened base of the family; it learns as FLUX.1 does, without looking at anything."""

    draws_with = FluxKontextPipeline
    redraws_with = FluxKontextPipeline
    max_references = 4  # on a sheet of two by two each is still half as high as the picture

    def encode_image(self, pixels_B3HW: Tensor) -> Latents:
        """As FLUX.1's, without a deviation, because diffusers' script for this one trains on the means."""
        mean = super().encode_image(pixels_B3HW).mean
        return Latents(mean, torch.zeros_like(mean))

    def sizing(self, width: int, height: int) -> dict[str, object]:
        """The pipeline would draw a megapixel in these proportions, unless it is told the area."""
        return {**super().sizing(width, height), "max_area": width * height}

    def beginning(
        self, pipe: Any, pixels: Pixels, strength: float, steps: int, seeds: Sequence[int]
    ) -> dict[str, object]:
        """The last of the steps, from the picture as noisy as it must be before them."""
        return begin_packed(self, pipe, pixels, strength, steps, seeds)

    def showing(self, drawings: Sequence[Pixels]) -> dict[str, object]:
        """A sheet of them; the pipeline makes it as large as the pictures that it was trained to look at."""
        return {"image": Image.fromarray(_lay_side_by_side(drawings))}


def _lay_side_by_side(drawings: Sequence[Pixels]) -> Pixels:
    """Squares (size, size, 3) in rows about as many as columns, on white where there are too few."""
    num_columns = math.ceil(math.sqrt(len(drawings)))
    white = np.full_like(drawings[0], 255)
    cells = [*drawings, *[white] * (-len(drawings) % num_columns)]
    rows = [np.hstack(cells[first : first + num_columns]) for first in range(0, len(cells), num_columns)]
    return np.vstack(rows)
