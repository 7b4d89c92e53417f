"""Which drawings are there twice: pixel for pixel, or the same one resized or saved again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Drawing, Pixels

SMALL_PX = 64
"""Side of the small copies that are compared."""
SAME_SHAPE = 0.03
"""How much two sides' ratio may differ when a drawing is resized: rounding to whole pixels."""
NEAR = 40.0
"""No spot of two small copies differs further, of 255: measured on re-saved and on redrawn drawings."""


def find_duplicates(drawings: Sequence[Drawing]) -> dict[int, int]:
    """The drawings that show the very pixels (and mask) of another, each with the one that stays.

    The first stays, or the first with a caption.
    """
    groups: dict[bytes, list[int]] = {}
    for number, drawing in enumerate(drawings):
        groups.setdefault(_fingerprint(drawing), []).append(number)
    duplicates = {}
    for group in groups.values():
        kept = next((number for number in group if drawings[number].caption), group[0])
        duplicates.update({number: kept for number in group if number != kept})
    return duplicates


def find_near_duplicates(drawings: Sequence[Drawing]) -> list[tuple[int, int]]:
    """Pairs that differ by size or by how they were saved; a mirrored or redrawn one is another drawing."""
    small = [_small(drawing.pixels) for drawing in drawings]
    ratios = [drawing.pixels.shape[1] / drawing.pixels.shape[0] for drawing in drawings]
    return [
        (one, two)
        for one, two in combinations(range(len(drawings)), 2)
        if abs(ratios[one] / ratios[two] - 1) < SAME_SHAPE and np.abs(small[one] - small[two]).max() < NEAR
    ]


def _fingerprint(drawing: Drawing) -> bytes:
    digest = hashlib.sha256(repr((drawing.pixels.shape, drawing.mask is None)).encode())
    digest.update(drawing.pixels.tobytes())
    if drawing.mask is not None:
        digest.update(drawing.mask.tobytes())
    return digest.digest()


def _small(pixels: Pixels) -> NDArray[np.float32]:
    """A small square copy, a little blurred, so that a saved-again line may shift by less than a cell."""
    small = cv2.resize(pixels.astype(np.float32), (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA)
    blurred: NDArray[np.float32] = cv2.GaussianBlur(small, (3, 3), 0)
    return blurred
