"""The settings of drawing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from understudy.recipes.knobs import MAX_DENOISING_STEPS, Knobs

MAX_SIDE_PX = 2048
MAX_REFERENCES = 10
"""More than any base can be shown."""
Scheduler = Literal["dpm++", "dpm++-sde", "ddim", "euler", "euler-a", "unipc", "heun"]


class DrawSettings(Knobs):
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
