"""The settings of drawing."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from understudy.recipes.computing import Quantization
from understudy.recipes.knobs import MAX_DENOISING_STEPS, Knobs

MAX_SIDE_PX = 2048
MAX_REFERENCES = 10
"""More than any base can be shown."""
Scheduler = Literal["dpm++", "dpm++-sde", "ddim", "euler", "euler-a", "unipc", "heun"]
Cache = Literal["none", "first-block", "taylor"]


class Faster(Knobs):
    """How drawing on a large base is made faster or smaller, which a painter is opened with.

    Without any of it a picture is what plain diffusers draws with the run's weights (`follow_noise` for LoRA
    whose rank falls with noise).
    """

    fast: str = ""
    """A few-step LoRA beside what was learned, with its own scheduler, steps and guidance: lcm, lightning,
    hyper, turbo or distill, as the base has them, or a .safetensors file."""

    cache: Cache = "none"
    """What a step takes over from those before: none, first-block (what all further blocks say, where the
    first says nearly what it said then; of a base whose denoiser is a transformer), or taylor (what the
    denoiser says, foretold from how that changed)."""

    cache_threshold: float = Field(0.05, ge=0)
    """How much the first block may change for first-block, as a share; more is faster and less exact."""

    cache_interval: int = Field(2, ge=1)
    """Of so many steps taylor computes one, after the first three; more is faster and less exact."""

    quantization: Quantization = "none"
    """How the base's denoiser keeps its weights: none (as they compute), int8 or nf4."""

    fuse: bool | None = None
    """Add LoRA to the base's own weights once, instead of computing it beside them in every step
    [default: fuse, but for quantised weights]. One whose rank falls with noise is fused anew
    at every rank, beside a few-step LoRA never."""

    compile: bool = False
    """Compile the denoiser's blocks for a graphics card: the first picture takes longer, the others less."""

    @model_validator(mode="after")
    def _quantised_weights_stay(self) -> Self:
        if self.fuse and self.quantization != "none":
            raise ValueError("fuse: nothing is added to quantised weights, so leave out one of the two")
        return self


AS_IT_IS = Faster()


class DrawSettings(Faster):
    """How pictures are drawn; what they show is said by their scenes."""

    steps: int = Field(25, ge=1, le=MAX_DENOISING_STEPS)
    """Denoising steps; beyond 50 nothing improves."""

    guidance: float = Field(4.0, ge=1)
    """How strictly the prompt is followed; 1 is without guidance."""

    negative: str = ""
    """What must not be in the pictures, for scenes that do not say it themselves."""

    width: int | None = Field(None, ge=1, le=MAX_SIDE_PX)
    """Pixels from left to right; a base draws best at its own size."""

    height: int | None = Field(None, ge=1, le=MAX_SIDE_PX)
    """Pixels from top to bottom."""

    references: int = Field(0, ge=0, le=MAX_REFERENCES)
    """Drawings that the base is shown beside a prompt, if it can be; 0: as the method does, mostly none."""

    scheduler: Scheduler | None = None
    """How noise becomes a picture, step by step: dpm++, dpm++-sde, ddim, euler, euler-a, unipc or heun."""

    batch: int = Field(4, ge=1)
    """Pictures drawn at once: changes the speed and the memory, and of a picture only the last digits."""

    @model_validator(mode="after")
    def _steps_follow_evenly(self) -> Self:
        if self.cache == "taylor" and self.scheduler == "heun":
            raise ValueError("cache: taylor cannot foretell heun, which asks twice in a step: take another")
        return self

    @property
    def faster(self) -> Faster:
        """What a painter must be opened with to draw so."""
        return Faster.model_validate({name: value for name, value in self if name in Faster.model_fields})
