"""What plain diffusers draws, to be laid beside our pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from understudy.bases.base import Base
from understudy.domain import Pixels


def draw_plainly(pipe: Any, base: Base, prompt: str, seed: int, steps: int, guidance: float) -> Pixels:
    """By a pipeline's own call, with the adapters that it has; `base` says how its family is asked."""
    image = pipe(
        **base.asking([prompt], [""], guidance),
        num_inference_steps=steps,
        generator=[torch.Generator().manual_seed(seed)],
        **base.sizing(base.size_px, base.size_px),
        output_type="np",
    ).images
    pixels: Pixels = np.round(image[0] * 255).astype(np.uint8)
    return pixels


def difference(one: Pixels, other: Pixels) -> float:
    """Of 255, the mean over all pixels."""
    return float(np.abs(one.astype(int) - other).mean())
