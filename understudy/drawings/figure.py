"""Where the character is in a drawing, and what the paper around it is. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Drawing, Pixels

Mask = NDArray[np.bool_]
PAPER_TOLERANCE = 12
"""How far flat paper may be from its own colour, of 255: what JPEG does to it."""
SPECK = 1e-4
"""Share of the drawing below which ink by itself is dust on the paper."""
SMALL_HOLE = 0.015
"""Share of the figure below which white within it is an eye, a tooth or a button."""
LINE = 0.02
"""How thick an ink line is at most, as a share of the figure's longer side; never below `MIN_LINE_PX`."""
MIN_LINE_PX = 8
OUTLINED = 0.15
"""Share of a hole's rim that lies a line's width from the paper: then it is a white part with an outline."""
LIMB = 0.12
"""How far from the paper around it a gap may be, as a share of the figure's longer side: an arm's width."""
ISLANDS = 0.02
"""Share of a hole that ink within it covers: a pupil, a fold, a print."""
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Figure:
    """A drawing (height, width, 3), its mask (height, width), 255 on the figure, and its paper's colour."""

    pixels: Pixels
    mask: Pixels
    paper: tuple[int, int, int]


def find_figure(drawing: Drawing) -> Figure:
    """The mask that the drawing brings, or what flat paper leaves, or, on other grounds, all.

    Paper is what the drawing's edge reaches without crossing ink, and what is seen between a limb and the
    body; white eyes and shirts, which ink encloses, are figure.
    """
    pixels = drawing.pixels
    if drawing.mask is not None:
        return Figure(pixels, drawing.mask, _colour_outside(pixels, drawing.mask))
    paper = _flat_paper(pixels)
    if paper is None:
        return Figure(pixels, np.full(pixels.shape[:2], 255, np.uint8), WHITE)
    is_paper = cv2.inRange(pixels, *_bounds(paper)) > 0
    mask = np.ones_like(is_paper) if is_paper.all() else _without_dust(~_paper_around(is_paper))
    return Figure(pixels, mask.astype(np.uint8) * 255, _as_colour(paper))


def is_on_paper(pixels: Pixels) -> bool:
    """Whether a picture (height, width, 3) has flat paper around it, by which its figure can be found."""
    return _flat_paper(pixels) is not None


def _colour_outside(pixels: Pixels, mask: Pixels) -> tuple[int, int, int]:
    """The usual colour where a given mask is empty; white where it is nowhere."""
    outside = pixels[mask == 0]
    return _as_colour(np.median(outside, axis=0)) if len(outside) else WHITE


def _as_colour(values: NDArray[np.generic]) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def _bounds(paper: Pixels) -> tuple[tuple[int, ...], tuple[int, ...]]:
    lower = tuple(int(value) - PAPER_TOLERANCE for value in paper)
    return lower, tuple(int(value) + PAPER_TOLERANCE for value in paper)


def _flat_paper(pixels: Pixels) -> Pixels | None:
    """The colour of the paper, if most of the drawing's edge shows it."""
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.median(edge, axis=0).astype(np.uint8)
    is_paper = (np.abs(edge.astype(np.int16) - colour) <= PAPER_TOLERANCE).all(axis=1)
    return colour if is_paper.mean() > 0.6 else None


def _paper_around(is_paper: Mask) -> Mask:
    """Of all that looks like paper, what is paper: around the figure, and in gaps between its limbs."""
    # Four neighbours for paper: a thin diagonal line holds it back.
    num, labels, stats, _ = cv2.connectedComponentsWithStats(is_paper.astype(np.uint8), connectivity=4)
    is_open = _open_regions(labels, num)
    around: Mask = is_open[labels]
    area = around.size - int(around.sum())
    rows, columns = np.flatnonzero(~around.all(axis=1)), np.flatnonzero(~around.all(axis=0))
    side = max(np.ptp(rows), np.ptp(columns)) + 1 if len(rows) else 1
    distance = cv2.distanceTransform((~around).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    for region in np.flatnonzero(~is_open & (stats[:, cv2.CC_STAT_AREA] >= SMALL_HOLE * area)):
        if region == 0:  # the ink itself
            continue
        left, top, width, height = stats[region, :4]
        box = np.s_[top : top + height, left : left + width]
        hole = labels[box] == region
        if _is_gap(hole, distance[box], float(side)):
            around[box] |= hole
    return around


def _open_regions(labels: NDArray[np.int32], num: int) -> Mask:
    """The regions of paper that hold a corner of the drawing, or meet two of its sides.

    One that meets a side between two lines may be the white shirt of a bust, which the edge cuts off.
    """
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    meets = np.zeros((len(sides), num), np.int64)
    for row, side in zip(meets, sides, strict=True):
        row[:] = np.bincount(side, minlength=num)
    is_open = (meets > 0).sum(axis=0) > 1
    is_open[meets[:, 1:].sum(axis=0).argmax() + 1] = True  # the paper itself, whatever covers the corners
    is_open[0] = False
    result: Mask = is_open
    return result


def _is_gap(hole: Mask, distance: NDArray[np.float32], side: float) -> bool:
    """Whether an enclosed region is paper behind a limb, by its distance to the paper around the figure."""
    padded = np.pad(hole, 1)
    inner = cv2.erode(hole.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0) > 0
    rim = distance[hole & ~inner]
    is_outlined = (rim <= max(MIN_LINE_PX, LINE * side)).mean() > OUTLINED
    filled = cv2.floodFill(padded.astype(np.uint8), None, (0, 0), 1)[1] == 0
    has_islands = filled.sum() > ISLANDS * hole.sum()
    return bool(not is_outlined and not has_islands and rim.min() <= LIMB * side)


def _without_dust(mask: Mask) -> Mask:
    """The mask without specks, unless there is nothing else."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keeps = stats[:, cv2.CC_STAT_AREA] >= SPECK * mask.size
    keeps[0] = False
    kept: Mask = keeps[labels]
    return kept if kept.any() else mask
