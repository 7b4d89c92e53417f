"""A drawing becomes square views at the base's size: as it is, and moved and scaled a little. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from understudy.domain import Drawing, Pixels
from understudy.drawings.figure import Figure, find_figure

PAPER_STREAM = 1


@dataclass(frozen=True)
class View:
    """One square look at a drawing: `pixels` (size, size, 3), `mask` (size, size), 255 on the figure."""

    pixels: Pixels
    mask: Pixels


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
    paper_jitter: float = 0.0,
) -> list[View]:
    """`count` views of a drawing, the first letterboxed as it is, with `flips` every second one mirrored.

    `scale_jitter` and `place_jitter` are the largest change of scale and of place as a share of the side,
    `paper_jitter` how far the paper may go towards any other colour, as a share of the way. A figure that is
    whole stays whole, and one that the drawing's edge cuts off stays at the edge.
    """
    figure = find_figure(drawing)
    random = np.random.default_rng(seed)
    views = [_view(figure, size_px, 1.0, (0.0, 0.0))]
    for _ in range(count - 1):
        scale = 1 + scale_jitter * random.uniform(-1, 1)
        moves = place_jitter * size_px * random.uniform(-1, 1, 2)
        views.append(_view(figure, size_px, scale, (moves[0], moves[1])))
    if paper_jitter > 0:
        # Noise of its own, so that scale and place stay what they are without it.
        papers = np.random.default_rng((*seed, PAPER_STREAM))
        views[1:] = [_on_other_paper(view, figure.paper, paper_jitter, papers) for view in views[1:]]
    if flips:
        views[1::2] = [_mirror(view) for view in views[1::2]]
    return views


def _view(figure: Figure, size_px: int, scale: float, moves: tuple[float, float]) -> View:
    """The drawing with its longer side at `scale` times the view's, moved from the middle by `moves`."""
    height, width = figure.mask.shape
    rows, columns = np.flatnonzero(figure.mask.any(axis=1)), np.flatnonzero(figure.mask.any(axis=0))
    spans = ((columns[0], columns[-1] + 1, width), (rows[0], rows[-1] + 1, height))
    factor = _fitting(scale, spans) * size_px / max(height, width)
    left, top = (
        _place(size_px, round(length * factor), start * factor, end * factor, move)
        for (start, end, length), move in zip(spans, moves, strict=True)
    )
    side = (max(1, round(width * factor)), max(1, round(height * factor)))
    pixels = Image.new("RGB", (size_px, size_px), figure.paper)
    pixels.paste(Image.fromarray(figure.pixels).resize(side, Image.Resampling.LANCZOS), (left, top))
    mask = Image.new("L", (size_px, size_px), 0)
    mask.paste(Image.fromarray(figure.mask).resize(side, Image.Resampling.BILINEAR), (left, top))
    return View(np.array(pixels), np.array(mask))


def _on_other_paper(
    view: View, paper: tuple[int, int, int], jitter: float, random: np.random.Generator
) -> View:
    """The view with its paper mixed with another colour; the figure, and half of its soft rim, stay."""
    share = jitter * random.uniform()
    shift = share * (random.uniform(0, 255, 3) - paper)
    open_HW1 = 1 - view.mask[..., None] / 255
    pixels = (view.pixels + open_HW1 * shift).round().clip(0, 255).astype(np.uint8)
    return View(pixels, view.mask)


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
