"""Masks that the artist gives: `1.mask.png` beside `1.png`, or `masks/1.png`; white on the character."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from understudy.domain import Pixels, UserError
from understudy.drawings.formats import decode
from understudy.drawings.sources import MASK_ENDING, MASKS_FOLDER, File, Shelf

SAME_SHAPE = 0.02
"""How much the ratio of two sides may differ between a mask and its drawing."""


def find_masks(shelf: Shelf) -> Mapping[str, File]:
    """The masks on a shelf by the stem of their drawings; one beside its drawing goes first."""
    masks: dict[str, File] = {}
    for file in shelf.companions.values():
        if file.name.startswith(f"{MASKS_FOLDER}/"):
            masks.setdefault(file.stem, file)
        elif file.stem.endswith(MASK_ENDING):
            masks[file.stem.removesuffix(MASK_ENDING)] = file
    return masks


def read_mask(file: File, shape: tuple[int, ...]) -> Pixels:
    """The mask as (height, width) of a drawing with this shape: its opacity where it has any, or its grey.

    Raises `UserError` with the rest of a sentence that begins with the mask's name.
    """
    image = decode(file.read()).image
    height, width = shape[:2]
    if abs(image.width * height / (image.height * width) - 1) > SAME_SHAPE:
        raise UserError(
            f"it is {image.width} x {image.height} and its drawing {width} x {height}; cut both alike."
        )
    grey = image.convert("RGBA").getchannel("A") if image.has_transparency_data else image.convert("L")
    mask = np.asarray(grey.resize((width, height), Image.Resampling.BILINEAR))
    if not mask.any():
        raise UserError("it marks nothing; paint the character white on black.")
    return mask
