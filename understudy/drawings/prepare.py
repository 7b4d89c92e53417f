"""A drawing becomes square views at the base's size: as it is, and moved and scaled a little. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from understudy.domain import Drawing, Pixels

PAPER_TOLERANCE = 12
"""How far flat paper may be from its own colour, of 255: what JPEG does to it."""
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class View:
    """One square look at a drawing: `pixels` (size, size, 3), `mask` (size, size), 255 on the figure."""

    pixels: Pixels
    mask: Pixels


@dataclass(frozen=True)
class _Sheet:
    """A drawing with what is known of its paper."""

    pixels: Pixels
    mask: Pixels
    paper: tuple[int, int, int]


def caption_prompt(words: str, caption: str) -> str:
    """What the base reads for a drawing: `words` stand for the character, `caption` says what it does."""
    return f"a picture of {words} {caption}".strip()


def make_views(
    drawing: Drawing,
    size_px: int,
    count: int,
    scale_jitter: float,
    place_jitter: float,
    flips: bool,
    seed: Sequence[int],
) -> list[View]:
    """`count` views of a drawing, the first letterboxed as it is, with `flips` every second one mirrored.

    `scale_jitter` and `place_jitter` are the largest change of scale and of place as a share of the side. A
    figure that is whole stays whole, and one that the drawing's edge cuts off stays at the edge.
    """
    sheet = _find_figure(drawing)
    random = np.random.default_rng(seed)
    views = [_view(sheet, size_px, 1.0, (0.0, 0.0))]
    for _ in range(count - 1):
        scale = 1 + scale_jitter * random.uniform(-1, 1)
        moves = place_jitter * size_px * random.uniform(-1, 1, 2)
        views.append(_view(sheet, size_px, scale, (moves[0], moves[1])))
    if flips:
        views[1::2] = [_mirror(view) for view in views[1::2]]
    return views


def _find_figure(drawing: Drawing) -> _Sheet:
    """The mask that the drawing brings, or what differs from its flat paper, or, on other grounds, all."""
    pixels = drawing.pixels
    if drawing.mask is not None:
        return _Sheet(pixels, drawing.mask, WHITE)
    paper = _flat_paper(pixels)
    if paper is None:
        return _Sheet(pixels, np.full(pixels.shape[:2], 255, np.uint8), WHITE)
    inked = (np.abs(pixels.astype(np.int16) - paper) > PAPER_TOLERANCE).any(axis=2)
    if not inked.any():
        inked[:] = True
    # White shirts and eyes are figure: whatever has ink on all four sides counts.
    filled = _between(inked, 0) & _between(inked, 1)
    return _Sheet(pixels, (filled * 255).astype(np.uint8), (int(paper[0]), int(paper[1]), int(paper[2])))


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


def _view(sheet: _Sheet, size_px: int, scale: float, moves: tuple[float, float]) -> View:
    """The drawing with its longer side at `scale` times the view's, moved from the middle by `moves`."""
    height, width = sheet.mask.shape
    rows, columns = np.flatnonzero(sheet.mask.any(axis=1)), np.flatnonzero(sheet.mask.any(axis=0))
    spans = ((columns[0], columns[-1] + 1, width), (rows[0], rows[-1] + 1, height))
    factor = _fitting(scale, spans) * size_px / max(height, width)
    left, top = (
        _place(size_px, round(length * factor), start * factor, end * factor, move)
        for (start, end, length), move in zip(spans, moves, strict=True)
    )
    side = (max(1, round(width * factor)), max(1, round(height * factor)))
    pixels = Image.new("RGB", (size_px, size_px), sheet.paper)
    pixels.paste(Image.fromarray(sheet.pixels).resize(side, Image.Resampling.LANCZOS), (left, top))
    mask = Image.new("L", (size_px, size_px), 0)
    mask.paste(Image.fromarray(sheet.mask).resize(side, Image.Resampling.BILINEAR), (left, top))
    return View(np.array(pixels), np.array(mask))


def _fitting(scale: float, spans: tuple[tuple[int, int, int], ...]) -> float:
    """The scale, held so that a figure within its drawing stays within, and one across it stays across."""
    canvas = max(length for _, _, length in spans)
    for start, end, length in spans:
        if start > 0 and end < length:
            scale = min(scale, canvas / (end - start))
        elif length == canvas:
            scale = max(scale, 1.0)
    return scale


def _place(canvas: int, length: int, start: float, end: float, move: float) -> int:
    """Where the drawing begins on the canvas, when its figure spans `start` to `end` of its `length`."""
    middle = (canvas - length) / 2
    touches_start, touches_end = start <= 0, end >= length - 1
    if touches_start and touches_end:
        return round(middle)
    if touches_start:  # stays cut off at that edge, and whole at the other
        return round(min(middle + move, max(0, middle), canvas - end))
    if touches_end:
        return round(max(middle + move, min(canvas - length, middle), -start))
    return round(min(max(middle + move, -start), canvas - end))


def _mirror(view: View) -> View:
    return View(view.pixels[:, ::-1].copy(), view.mask[:, ::-1].copy())
