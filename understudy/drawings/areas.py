"""The areas of a picture that its ink lines part. No torch."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Pixels

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

SIDE_PX = 192
"""All that follows in pixels is for pictures of this size, and grows with larger ones."""
THICK_PX = 8
"""A darker stroke that is wider than this is an area."""
LINE, GAP_PX = 0.4, 1.6
"""From this cover on, ink parts two areas; a ball of this radius does not slip through a gap in a line."""
_DARKER, _LEAST_CONTRAST = 0.06, 0.12
"""In lightness: how much darker than its surroundings ink is at least, and how much it counts as darker."""


def unit_px(pixels: Pixels) -> float:
    """How many pixels of a picture (height, width, 3) are one of `SIDE_PX`."""
    return float(max(pixels.shape[:2])) / SIDE_PX


def cover_of_ink(lightness: Plane, ink: float, unit: float) -> Plane:
    """How much of each pixel is covered with ink, 0 to 1: by how much darker it is than what surrounds it."""
    lightness = np.ascontiguousarray(lightness)
    size = 2 * max(1, round(THICK_PX * unit / 2)) + 1
    closed = cv2.morphologyEx(
        lightness, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8), borderType=cv2.BORDER_REPLICATE
    )
    beside = np.maximum(closed, cv2.dilate(lightness, np.ones((3, 3), np.uint8)))
    share = (beside - lightness) / np.maximum(beside - ink, _LEAST_CONTRAST)
    cover: Plane = np.where(closed - lightness > _DARKER, share, 0).clip(0, 1).astype(np.float32)
    return cover


def find_areas(open_areas: Mask, unit: float) -> Iterator[Mask]:
    """The open areas between lines, as masks: what a ball rolls through, and crannies that none fits into.

    So small gaps in a line do not join two areas (trapped-ball segmentation: Zhang et al. 2009, "Vectorizing
    cartoon animations").
    """
    core = cv2.distanceTransform(open_areas.astype(np.uint8), cv2.DIST_L2, 5) > GAP_PX * unit
    num, rolled = cv2.connectedComponents(core.astype(np.uint8), connectivity=4)
    grown = np.where(open_areas, spread(rolled, core), 0)
    for number in range(1, num):
        yield grown == number
    num, pieces = cv2.connectedComponents(open_areas.astype(np.uint8), connectivity=4)
    reached = set(np.unique(pieces[core]).tolist())
    for number in range(1, num):
        if number not in reached:
            yield pieces == number


def spread(labels: Labels, known: Mask) -> Labels:
    """Each pixel's nearest label among the `known` ones."""
    if not known.any():
        return labels
    _, nearest = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of_place = np.zeros(int(nearest.max()) + 1, np.int32)
    of_place[nearest[known]] = labels[known]
    result: Labels = of_place[nearest]
    return result
