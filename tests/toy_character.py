"""A character that takes no time to draw, and a recipe that takes seconds to learn it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from understudy.domain import Character, Drawing
from understudy.recipes import (
    Adapter,
    DreamBooth,
    DreamBoothLora,
    FromNothing,
    Gan,
    Lora,
    ScratchDiffusion,
    TextualInversion,
)


def make_character(num_drawings: int = 3) -> Character:
    """A red block with a blue hat, a bit wider in each drawing."""
    return Character("Pip", "girl", tuple(_drawing(number) for number in range(num_drawings)))


SHORT: Mapping[str, object] = {
    "steps": 9,
    "warmup_steps": 2,
    "batch": 4,
    "views": 3,
    "snapshot_every": 3,
}
PRIOR: Mapping[str, object] = {"prior_pictures": 3, "prior_steps": 2}
NO_DECODER: Mapping[str, object] = {"decoder_share": 0.0}
"""For tests of all else that learns: see tests/methods/test_decoder.py."""


def make_recipe(base: Path, adapter: Adapter = "lora") -> DreamBoothLora:
    """A short recipe with all that a recipe can have."""
    knobs = {"adapter": adapter, "rank": 4, "min_rank": 0, "alpha": 8.0}
    return DreamBoothLora.model_validate({**SHORT, **PRIOR, **knobs, "base": str(base)})


def make_lora_recipe(base: Path) -> Lora:
    """A short recipe of LoRA without a name."""
    return Lora(
        base=str(base),
        steps=7,
        batch=2,
        accumulation=2,
        views=2,
        prior_pictures=2,
        prior_steps=2,
        snapshot_every=3,
        rate_half_life=3,
        noise_lean=1.5,
        min_rank=0,
    )


def make_word_recipe(base: Path) -> TextualInversion:
    """A short recipe of a word of several vectors."""
    knobs = {"vectors": 3, "learning_rate": 0.05, **NO_DECODER}
    return TextualInversion.model_validate({**SHORT, **knobs, "base": str(base)})


def make_whole_recipe(base: Path) -> DreamBooth:
    """A short recipe for the whole denoiser."""
    knobs = {"learning_rate": 1e-3, **NO_DECODER}
    return DreamBooth.model_validate({**SHORT, **PRIOR, **knobs, "base": str(base)})


def make_recipe_from_nothing(method: str) -> FromNothing:
    """A short recipe of a method without a base, with all that it can have."""
    kind = Gan if method == "gan" else ScratchDiffusion
    return kind(size_px=32, channels=8, steps=7, batch=4, views=2, snapshot_every=3, samples_every=3)


def _drawing(number: int) -> Drawing:
    pixels = np.full((64, 48, 3), 255, np.uint8)
    pixels[20:60, 12 : 30 + number] = (220, 40, 40)
    pixels[8:20, 16:26] = (40, 60, 220)
    return Drawing(Path(f"drawing_{number}.png"), pixels, f"standing, view {number}")
