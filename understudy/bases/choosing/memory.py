"""How much memory of a graphics card a base needs: a figure to choose by, for one picture of its own size.

Learning is what the planner of runs forecasts (`methods/computing/forecast.py`) for a LoRA of rank 16 on the
attention, batch 1: too slow to ask for every base each time, so it is kept beside their sizes (`sizes.py`).
Drawing is estimated: the weights that are there at once, what is alive beside them at most, and what kernels
take beside tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from understudy.bases.choosing.sizes import Size
from understudy.bases.layouts import Family

GIB = 2**30
Weights = Literal["bf16", "int8", "nf4"]
BYTES_PER_VALUE = 2
KERNELS_GIB_PER_MEGAPIXEL = 0.6


@dataclass(frozen=True)
class LearningPlan:
    """How frugally to learn: how the denoiser's weights are kept, which of its blocks compute again, and
    whether they come only when they compute."""

    weights: Weights
    checkpointing: Literal["none", "segments", "whole"]
    by_blocks: bool = False

    def __str__(self) -> str:
        again = {"none": "", "segments": "checkpointing segments", "whole": "checkpointing"}
        parts = (self.weights, again[self.checkpointing], "blocks fetched" * self.by_blocks)
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class DrawingPlan:
    """How frugally to draw, in half precision: all on the card at once, or each part, or each layer of a
    transformer, only while it works."""

    comes: Literal["at once", "part by part", "layer by layer"]

    def __str__(self) -> str:
        return "bf16" if self.comes == "at once" else f"bf16, {self.comes}"


LEARNING_PLANS = (
    LearningPlan("bf16", "none"),
    LearningPlan("bf16", "segments"),
    LearningPlan("bf16", "whole"),
    LearningPlan("int8", "none"),
    LearningPlan("int8", "segments"),
    LearningPlan("int8", "whole"),
    LearningPlan("nf4", "none"),
    LearningPlan("nf4", "segments"),
    LearningPlan("nf4", "whole"),
    LearningPlan("bf16", "whole", by_blocks=True),
)
"""In the planner's order, the fastest first."""
DRAWING_PLANS = (DrawingPlan("at once"), DrawingPlan("part by part"), DrawingPlan("layer by layer"))
"""The fastest first."""
LAYER_GIB = 1.1
"""The largest layer of all is the table of words of Qwen-Image's reader."""


def list_drawing_plans(family: Family) -> tuple[DrawingPlan, ...]:
    """Those by which a family draws: a U-Net comes whole."""
    return DRAWING_PLANS[:2] if family in ("sd1", "sdxl") else DRAWING_PLANS


def forecast_learning(size: Size, plan: LearningPlan) -> float:
    """GiB at the peak of learning; where the prompts' readers do not fit as well they read on the CPU."""
    return size.learning_gib[LEARNING_PLANS.index(plan)]


def estimate_drawing(size: Size, plan: DrawingPlan, side_px: int | None = None) -> float:
    """GiB at the peak of drawing one picture with guidance, at the base's own size unless told."""
    side = size.side_px if side_px is None else side_px
    area = (side / size.side_px) ** 2
    denoiser, encoders, vae = (weights_gib(part) for part in (size.denoiser, size.encoders, size.vae))
    denoising, decoding = size.drawing_gib * area, size.decoding_gib * area
    if plan.comes == "at once":
        return denoiser + encoders + vae + max(denoising, decoding) + _kernels_gib(side)
    if plan.comes == "layer by layer":
        return LAYER_GIB + max(denoising, decoding) + _kernels_gib(side)
    return max(encoders, denoiser + denoising, vae + decoding) + _kernels_gib(side)


def weights_gib(billions: float) -> float:
    """GiB of so many weights in half precision."""
    return billions * BYTES_PER_VALUE * 1e9 / GIB


def download_gb(size: Size) -> float:
    """GB (not GiB) of all its weights in half precision, as most repositories keep them."""
    return (size.denoiser + size.encoders + size.vae) * 2


def _kernels_gib(side_px: int) -> float:
    return KERNELS_GIB_PER_MEGAPIXEL * side_px**2 / 1e6
