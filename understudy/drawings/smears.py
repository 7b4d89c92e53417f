"""What a machine leaves around a figure on paper: faint smears and specks no artist draws. No torch."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from understudy.domain import Pixels
from understudy.drawings.areas import GAP_PX, Mask, unit_px
from understudy.drawings.figure import Figure
from understudy.drawings.oklab import to_oklab

FAINT = 0.13
"""Distance in Oklab from the paper up to which a colour beside the figure is a smear."""
LARGE = 0.03
"""Share of the figure above which a faint area is a part of it, however it is reached."""
PALE_RIM = 0.5
"""Share of a hole's rim, from which on the hole is a spot and not a gap between limbs."""
LEAST_ISLAND = 0.01
"""Share of the largest piece of a figure below which a piece by itself is a speck."""


def without_smears(figure: Figure) -> Figure:
    """The figure without faint colours that the paper around it reaches, and without specks beside it.

    What an outline holds back is figure, also where the outline has small gaps. For pictures, not for
    drawings: an artist may have drawn a shadow.
    """
    mask = figure.mask > 127
    if mask.all() or not mask.any():
        return figure
    radius = GAP_PX * unit_px(figure.pixels)
    around = _meeting_the_edge(~mask)
    # Pale parts of the figure that paper flowed into through a gap: room for a ball, but none gets there.
    behind = around & ~_reached(around, around, radius)
    behind = _roomy(behind, 2 * radius) & behind
    paper = to_oklab(np.array(figure.paper, np.uint8))
    is_near_paper = np.linalg.norm(to_oklab(figure.pixels) - paper, axis=2) < FAINT
    mask |= behind | _blank_spots(~mask & ~around, is_near_paper)
    is_faint = ~mask | is_near_paper
    smears = mask & _reached(is_faint, around & ~behind, radius)
    kept = mask & ~_without_large(smears, LARGE * float(mask.sum()))
    return replace(figure, mask=largest_pieces(kept.astype(np.uint8) * 255))


def largest_pieces(mask: Pixels) -> Pixels:
    """A mask (height, width) without the pieces that are specks beside its largest one."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((mask > 0).astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    is_kept = (areas >= LEAST_ISLAND * areas.max())[labels]
    return np.where(is_kept, mask, 0).astype(np.uint8)


def _meeting_the_edge(paper: Mask) -> Mask:
    """The paper that meets the picture's edge, without what shows between limbs."""
    _, labels = cv2.connectedComponents(paper.astype(np.uint8), connectivity=4)
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    meets: Mask = np.isin(labels, np.unique(rim)) & paper
    return meets


def _blank_spots(holes: Mask, is_faint: Mask) -> Mask:
    """The holes in a figure with pale rims: spots of a pale area; what shows between limbs has ink around."""
    spots = np.zeros_like(holes)
    num, labels = cv2.connectedComponents(holes.astype(np.uint8), connectivity=4)
    for number in range(1, num):
        hole = labels == number
        rim = cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~hole
        if is_faint[rim].mean() > PALE_RIM:
            spots |= hole
    return spots


def _room(is_open: Mask, radius_px: float) -> Mask:
    """Where the middle of a ball may be that has this radius; the picture's edge does not stop it."""
    padded = np.pad(is_open, 1, mode="edge").astype(np.uint8)
    room: Mask = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1] > radius_px
    return room


def _roomy(is_open: Mask, radius_px: float) -> Mask:
    """What lies near a place for such a ball."""
    room = _room(is_open, radius_px)
    near: Mask = cv2.distanceTransform((~room).astype(np.uint8), cv2.DIST_L2, 5) <= radius_px + 1
    return near & room.any()


def _reached(is_open: Mask, start: Mask, radius_px: float) -> Mask:
    """All that a ball covers that rolls through the open from the start (see `areas.find_areas`)."""
    room = _room(is_open, radius_px)
    _, labels = cv2.connectedComponents(room.astype(np.uint8), connectivity=4)
    at_edge = np.zeros_like(start)
    at_edge[[0, -1]] = at_edge[:, [0, -1]] = True
    rolled = np.isin(labels, np.unique(labels[start & room & at_edge])) & room
    away = cv2.distanceTransform((~rolled).astype(np.uint8), cv2.DIST_L2, 5)
    reached: Mask = is_open & (away <= radius_px + 1)
    return reached


def _without_large(found: Mask, most_px: float) -> Mask:
    """Without pieces of more than so many pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8), connectivity=4)
    small: Mask = (stats[:, cv2.CC_STAT_AREA] <= most_px)[labels] & found
    return small
