"""The ink of a drawing: which lines it has, their colour and their weight. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Pixels
from understudy.drawings.figure import Figure
from understudy.drawings.oklab import to_oklab
from understudy.drawings.palette import Rgb, commonest, hex_of

Plane = NDArray[np.float32]

THICKEST = 0.06
"""A dark stroke wider than this share of the figure's height is an area, not a line."""
DARK = 0.45
"""Ink is darker than this, in Oklab's lightness."""
STANDS_OUT = 0.12
"""By how much ink is darker than what surrounds it."""
LEAST_SHARE = 0.005
"""Less ink than this share of the figure is a speck, not a line."""
LOOK_CLOSER = 4
"""Lines are measured on a mask that is finer by this factor: their edges fall between pixels."""
MEASURED_PX = 1024
"""Figures higher than this are scaled down before their lines are measured."""


@dataclass(frozen=True)
class Ink:
    """A drawing's lines: the commonest colour, and the usual weight in pixels and of the figure's height."""

    colour: Rgb
    weight_px: float
    weight_share: float

    @property
    def hex(self) -> str:
        """The colour as "#1c1a20"."""
        return hex_of(self.colour)


@dataclass(frozen=True)
class Lines:
    """Where a figure's ink is, a boolean (height, width), and what it is like; None where there is none."""

    where: NDArray[np.bool_]
    ink: Ink | None


def find_lines(figure: Figure) -> Lines:
    """The thin dark lines of a figure.

    What is dark and vanishes when dark things are eroded away (a black top-hat; Serra 1982, "Image analysis
    and mathematical morphology") is line: black hair stays, its outline goes. The weight is the median, along
    the lines' middle, of twice the distance to their edge.
    """
    on_figure = figure.mask > 127
    rows = np.flatnonzero(on_figure.any(axis=1))
    nothing = np.zeros(on_figure.shape, bool)
    if not len(rows):
        return Lines(nothing, None)
    height = int(rows[-1] - rows[0] + 1)
    lightness = np.ascontiguousarray(to_oklab(figure.pixels)[..., 0])
    around = _without_thin_darks(lightness, height)
    where = (lightness < DARK) & (around - lightness > STANDS_OUT) & on_figure
    if where.sum() < max(4, LEAST_SHARE * on_figure.sum()):
        return Lines(nothing, None)
    # The pixels at a line's edge are mixed with its surroundings, its darker half is not.
    core = where & (lightness <= np.median(lightness[where]))
    colour = commonest(figure.pixels[core])
    weight = _weight(lightness, around, float(np.median(lightness[core])), height)
    return Lines(where, Ink(colour, weight, weight / height))


def _without_thin_darks(lightness: Plane, height: int) -> Plane:
    """The lightness with all that is dark and thin filled in by what surrounds it."""
    size = 2 * max(1, round(THICKEST * height / 2)) + 1
    kernel = np.ones((size, size), np.uint8)  # a square, because only rectangles are quick when large
    closed: Plane = cv2.morphologyEx(lightness, cv2.MORPH_CLOSE, kernel, borderType=cv2.BORDER_REPLICATE)
    return closed


def _weight(lightness: Plane, around: Plane, ink: float, height: int) -> float:
    """The lines' median weight in pixels.

    How much of a pixel is covered with ink tells where in it the line's edge is.
    """
    # A line between white paper and a darker area is mixed with the one on one side, the other on the other.
    beside = np.maximum(around, cv2.dilate(lightness, np.ones((3, 3), np.uint8)))
    covered = np.where(
        around - ink > STANDS_OUT, (beside - lightness) / np.maximum(beside - ink, STANDS_OUT), 0
    )
    scale = LOOK_CLOSER * min(1.0, MEASURED_PX / height)
    fine = cv2.resize(covered.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    inside: Pixels = (fine > 0.5).astype(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ridge = (distance >= cv2.dilate(distance, np.ones((3, 3), np.uint8))) & (distance > 0)
    if not ridge.any():
        return 0.0
    # Between centres of pixels: a line n pixels wide has n / 2 in its middle if n is even, else (n + 1) / 2.
    return float((2 * np.median(distance[ridge]) - 0.5) / scale)
