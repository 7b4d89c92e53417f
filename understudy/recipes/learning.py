"""The knobs of all methods that learn step by step."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from understudy.recipes.knobs import USUAL, PresetRecipe


class Learning(PresetRecipe):
    """What all methods share that learn from the drawings step by step."""

    steps: Annotated[int, USUAL] = Field(400, ge=1)
    """How many steps to learn; a finished run goes on when this is raised."""

    seed: Annotated[int, USUAL] = Field(0, ge=0, lt=2**32)
    """The seed of all that is random in learning."""

    averaging: float = Field(0.98, ge=0, lt=1)
    """Decay of the running average of the weights, which is what draws; 0 takes the last weights."""

    batch: int = Field(6, ge=1)
    """Pictures in one step."""

    views: int = Field(8, ge=1)
    """Variants of each drawing: the first as it is, the others moved and scaled a little."""

    scale_jitter: float = Field(0.06, ge=0, lt=1)
    """How much smaller or larger a variant may be, as a share of its size."""

    place_jitter: float = Field(0.04, ge=0, lt=1)
    """How far a variant may be moved, as a share of the picture's side."""

    flips: Annotated[bool, USUAL] = False
    """Mirror half of the variants; only for characters that look alike from both sides."""

    snapshot_every: int = Field(100, ge=1)
    """Steps between weights that are kept for good and shown to the reviewer."""
