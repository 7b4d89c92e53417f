"""How much memory of a graphics card a base needs, estimated from its parts: a figure to choose by.

Learning: the weights, the adapter, and one step:

    weights     linear layers at the plan's bytes per value, all others at 2
    adapter     16 bytes per value: itself, its gradient and Adam's two, in fp32
    step        what is alive at once (`bases/sizes.py`), as pictures' area and their number grow, and
                0.6 GiB per megapixel that kernels take beside tensors

Encoding comes first: the readers of the prompt and the autoencoder, without the denoiser; they are never
quantised (`bases/quantizing.py`). Whoever frees them afterwards needs the larger of the two, whoever keeps
them the sum.

With 0.6 GiB the estimate meets SimpleTuner's measurements of the U-Nets (SDXL 13.03 and 6.53 GiB, SD 1.x 2.87
and 1.98 GiB without and with checkpointing, batch 1, H100, its
documentation/experimental/SEGMENTED_CHECKPOINTING.md). What compiling saves is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from understudy.bases.choosing.sizes import Count, Size

GIB = 2**30
Weights = Literal["bf16", "int8", "nf4"]
BYTES_PER_VALUE = {
    "bf16": 2.0,
    "int8": 1.0,
    "nf4": 0.5 + 4 / 64,  # 4 bits, and a scale in fp32 for each 64 values (Dettmers et al., arXiv 2305.14314)
}
ADAPTER_BYTES_PER_VALUE = 16
ADAPTER_RANK = 16
"""Of the adapter whose size is known."""
KERNELS_GIB_PER_MEGAPIXEL = 0.6


@dataclass(frozen=True)
class LearningPlan:
    """How frugally to learn."""

    weights: Weights
    checkpointing: bool
    keeps_encoders: bool = False

    def __str__(self) -> str:
        parts = (self.weights, "checkpointing" * self.checkpointing, "encoders kept" * self.keeps_encoders)
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class DrawingPlan:
    """How frugally to draw, in half precision: all parts on the card at once, or each only while it works."""

    at_once: bool

    def __str__(self) -> str:
        return "bf16" if self.at_once else "bf16, part by part"


LEARNING_PLANS = (
    LearningPlan("bf16", checkpointing=False, keeps_encoders=True),
    LearningPlan("bf16", checkpointing=False),
    LearningPlan("bf16", checkpointing=True),
    LearningPlan("int8", checkpointing=True),
    LearningPlan("nf4", checkpointing=True),
)
"""The fastest first."""
DRAWING_PLANS = (DrawingPlan(at_once=True), DrawingPlan(at_once=False))
"""The fastest first."""


def estimate_learning(
    size: Size, plan: LearningPlan, rank: int = ADAPTER_RANK, batch: int = 1, side_px: int | None = None
) -> float:
    """GiB at the peak of learning an adapter on the attention, at the base's own size unless told."""
    side = size.side_px if side_px is None else side_px
    area = (side / size.side_px) ** 2
    kernels = _kernels_gib(side)
    readers = weights_gib(size.encoders, "bf16") + weights_gib(size.vae, "bf16")
    encoding = size.encoding_gib * area + kernels
    step = (size.checkpointed_gib if plan.checkpointing else size.whole_gib) * area + kernels
    adapter = size.adapter_millions * 1e6 * rank / ADAPTER_RANK * ADAPTER_BYTES_PER_VALUE / GIB
    learning = weights_gib(size.denoiser, plan.weights) + adapter
    if plan.keeps_encoders:
        return learning + readers + max(step * batch, encoding)
    return max(learning + step * batch, readers + encoding)


def estimate_drawing(size: Size, plan: DrawingPlan, side_px: int | None = None) -> float:
    """GiB at the peak of drawing one picture with guidance, at the base's own size unless told."""
    side = size.side_px if side_px is None else side_px
    area = (side / size.side_px) ** 2
    denoiser, encoders, vae = (weights_gib(part, "bf16") for part in (size.denoiser, size.encoders, size.vae))
    denoising, decoding = size.drawing_gib * area, size.decoding_gib * area
    if plan.at_once:
        return denoiser + encoders + vae + max(denoising, decoding) + _kernels_gib(side)
    return max(encoders, denoiser + denoising, vae + decoding) + _kernels_gib(side)


def weights_gib(count: Count, weights: Weights) -> float:
    """GiB of a part's weights."""
    other = count.billions - count.linear
    return (count.linear * BYTES_PER_VALUE[weights] + other * BYTES_PER_VALUE["bf16"]) * 1e9 / GIB


def download_gb(size: Size) -> float:
    """GB (not GiB) of all its weights in half precision, as most repositories keep them."""
    return (size.denoiser.billions + size.encoders.billions + size.vae.billions) * 2


def _kernels_gib(side_px: int) -> float:
    return KERNELS_GIB_PER_MEGAPIXEL * side_px**2 / 1e6
