"""Where the character is in a drawing, and what the paper around it is. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.domain import Drawing, Pixels

PAPER_TOLERANCE = 12
"""How far flat paper may be from its own colour, of 255: what JPEG does to it."""
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Figure:
    """A drawing (height, width, 3), its mask (height, width), 255 on the figure, and its paper's colour."""

    pixels: Pixels
    mask: Pixels
    paper: tuple[int, int, int]


def find_figure(drawing: Drawing) -> Figure:
    """The mask that the drawing brings, or what differs from its flat paper, or, on other grounds, all."""
    pixels = drawing.pixels
    if drawing.mask is not None:
        return Figure(pixels, drawing.mask, WHITE)
    paper = _flat_paper(pixels)
    if paper is None:
        return Figure(pixels, np.full(pixels.shape[:2], 255, np.uint8), WHITE)
    inked = (np.abs(pixels.astype(np.int16) - paper) > PAPER_TOLERANCE).any(axis=2)
    if not inked.any():
        inked[:] = True
    # White shirts and eyes are figure: whatever has ink on all four sides counts.
    filled = _between(inked, 0) & _between(inked, 1)
    return Figure(pixels, (filled * 255).astype(np.uint8), (int(paper[0]), int(paper[1]), int(paper[2])))


def _flat_paper(pixels: Pixels) -> Pixels | None:
    """The colour of the paper, if most of the drawing's edge shows it."""
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.median(edge, axis=0).astype(np.uint8)
    is_paper = (np.abs(edge.astype(np.int16) - colour) <= PAPER_TOLERANCE).all(axis=1)
    return colour if is_paper.mean() > 0.6 else None


def _between(inked: np.ndarray, axis: int) -> np.ndarray:
    """True from the first to the last inked pixel along an axis."""
    since = np.logical_or.accumulate(inked, axis)
    until = np.flip(np.logical_or.accumulate(np.flip(inked, axis), axis), axis)
    result: np.ndarray = since & until
    return result
