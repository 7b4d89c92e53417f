"""Pictures and drawings in squares of one size, so that they can be laid over each other. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Drawing, Pixels
from understudy.drawings.figure import find_figure
from understudy.drawings.oklab import Oklab, to_oklab

Plane = NDArray[np.float32]
Matrix = NDArray[np.float64]
"""(2, 3): from a drawing's sheet to a picture's."""
Edges = NDArray[np.float64]
"""(points, 2, 2): x and y of a point on a sheet, and of the step that leads out."""

FINE_PX = 128
"""The side of sheets that are compared line by line."""
FAINT, CLEAR = 0.12, 0.25
"""Distances in Oklab from the paper: nearer than the first is shadow, from the second on all is figure."""
SAME_COLOUR = 0.06
"""Distance in Oklab up to which two pixels of one picture show the same colour."""
EDGE_PX = 1.5
"""How far from a cut edge it is looked at, on both sides."""
LEAST_EDGE = 3
"""Points of an edge in the picture below which nothing is seen of it."""
GOES_ON = 0.06
"""Share of a cut edge across which the picture may go on in the same colours by chance."""


@dataclass(frozen=True)
class Sheet:
    """A picture in the middle of a square: Oklab (side, side, 3), and how much a pixel counts, 0 to 1."""

    colours: Oklab
    weights: Plane


def figure_weights(drawing: Drawing) -> Plane:
    """How much each pixel (height, width) of a drawing says of its figure."""
    figure = find_figure(drawing)
    paper = to_oklab(np.array(figure.paper, np.uint8))
    distance = np.linalg.norm(to_oklab(figure.pixels) - paper, axis=2)
    clear = ((distance - FAINT) / (CLEAR - FAINT)).clip(0, 1)
    weights: Plane = (clear * figure.mask / 255).astype(np.float32)
    # A white figure on white paper, or a mask of nothing but paper: then all of it counts.
    return weights if weights.any() else np.ones_like(weights)


def make_sheet(pixels: Pixels, weights: Plane, side: int) -> Sheet:
    """Fit into the middle of a square; nothing outside counts."""
    height, width = weights.shape
    factor = side / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    place = slice(top, top + size[1]), slice(left, left + size[0])
    colours = np.zeros((side, side, 3), np.float32)
    colours[..., 0] = 1  # white
    colours[place] = to_oklab(np.asarray(cv2.resize(pixels, size, interpolation=method)))
    counts = np.zeros((side, side), np.float32)
    counts[place] = cv2.resize(weights, size, interpolation=method)
    return Sheet(colours, counts)


def cut_edges(weights: Plane) -> Edges:
    """Where a drawing's edge cuts its figure off, and which way is out: (points, 2, x and y) on the sheet."""
    height, width = weights.shape
    factor = FINE_PX / max(height, width)
    offset = (FINE_PX - factor * np.array((width, height)) - 1) / 2
    found = []
    for edge, corner, along, outward in (
        (weights[:, 0], (0, 0), (0, 1), (-1, 0)),
        (weights[:, -1], (width, 0), (0, 1), (1, 0)),
        (weights[0], (0, 0), (1, 0), (0, -1)),
        (weights[-1], (0, height), (1, 0), (0, 1)),
    ):
        places = np.flatnonzero(edge > 0.5)[:, None] + 0.5
        points = (np.array(corner) + places * np.array(along)) * factor + offset
        found.append(np.stack((points, np.broadcast_to(outward, points.shape)), axis=1))
    return np.concatenate(found)


def goes_on(picture: Sheet, edges: Edges, matrix: Matrix) -> bool:
    """Whether the picture shows more of the figure beyond the edge that cuts it off in the drawing.

    A portrait's head on a new body is no copy of the portrait; the portrait pasted in, cut edge and all, is.
    """
    turned = edges @ matrix[:, :2].T
    points = turned[:, 0] + matrix[:, 2]
    steps = EDGE_PX * turned[:, 1] / max(1e-6, abs(np.linalg.det(matrix[:, :2])) ** 0.5)
    pairs = np.rint(np.stack((points - steps, points + steps), axis=1)).astype(int)
    is_inside = ((pairs >= 0) & (pairs < FINE_PX)).all(axis=(1, 2))
    if is_inside.sum() < LEAST_EDGE:
        return False
    x, y = pairs[is_inside].transpose(2, 0, 1)
    within, beyond = picture.colours[y, x].transpose(1, 0, 2)
    return bool((np.linalg.norm(within - beyond, axis=1) < SAME_COLOUR).mean() > GOES_ON)
