"""What a set of drawings is like, in figures: sizes, colours, paper, palette and lines. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from understudy.domain import Drawing, Pixels
from understudy.drawings.figure import find_figure
from understudy.drawings.hues import Hsv, mean_angle, mean_hsv
from understudy.drawings.ink import Ink, find_lines
from understudy.drawings.palette import Rgb, Swatch, coloured_pixels, find_palette
from understudy.events import Notify, Step, ignore

CHANNELS = ("red", "green", "blue")


@dataclass(frozen=True)
class Spread:
    """A figure over the set; `std` is the set's own standard deviation (divided by n, not n - 1)."""

    min: float
    median: float
    max: float
    mean: float
    std: float


@dataclass(frozen=True)
class Channel:
    """Mean and range, 0 to 255, of one of the three colour channels over a whole drawing."""

    mean: float
    min: int
    max: int


@dataclass(frozen=True)
class DrawingFigures:
    """One drawing in figures, as it was read: upright, over its paper, its longer side at most 2048 px.

    `file_bytes` is None where the file is not on this disk. `paper_share` is the part that is not the
    character, `is_cut_out` whether the character could be told from its surroundings at all;
    `figure_height_px` is the character's. `ink` is None where no lines were found.
    """

    file: str
    caption: str
    width_px: int
    height_px: int
    aspect_ratio: float
    file_bytes: int | None
    red: Channel
    green: Channel
    blue: Channel
    hsv: Hsv
    paper: Rgb
    paper_share: float
    is_cut_out: bool
    touches_edge: bool
    figure_height_px: int
    ink: Ink | None


@dataclass(frozen=True)
class HsvSpread:
    """Over the set: the drawings' mean hue as an angle, None where there is none; the others as spreads."""

    hue_deg: float | None
    hue_agreement: float
    saturation: Spread
    value: Spread


@dataclass(frozen=True)
class Statistics:
    """A set of drawings in figures: each drawing, each figure's spread over the set, palette and lines.

    `histogram` counts, for red, green and blue, the pixels of each value 0 to 255 over all drawings.
    """

    drawings: tuple[DrawingFigures, ...]
    spreads: dict[str, Spread]
    hsv: HsvSpread
    palette: tuple[Swatch, ...]
    histogram: tuple[tuple[int, ...], ...]

    @property
    def line_weights(self) -> tuple[float, ...]:
        """The lines' weight as a share of the figure's height, of each drawing that has lines."""
        return tuple(each.ink.weight_share for each in self.drawings if each.ink)

    @property
    def line_weight(self) -> float | None:
        """The median over the drawings, None where none has lines."""
        return float(np.median(self.line_weights)) if self.line_weights else None


def describe(drawings: Sequence[Drawing], notify: Notify = ignore) -> Statistics:
    """The statistics of drawings; raises `ValueError` where there is none."""
    if not drawings:
        raise ValueError("There is no drawing to describe.")
    figures: list[DrawingFigures] = []
    coloured: list[Pixels] = []
    histogram = np.zeros((3, 256), np.int64)
    for drawing in drawings:
        one, pixels = _describe_one(drawing)
        figures.append(one)
        coloured.append(pixels)
        for number in range(3):
            histogram[number] += np.bincount(drawing.pixels[..., number].ravel(), minlength=256)
        notify(Step("describing", len(figures), len(drawings)))
    return Statistics(
        tuple(figures),
        _spreads(figures),
        _hsv_spread([one.hsv for one in figures]),
        find_palette(coloured),
        tuple(tuple(row) for row in histogram.tolist()),
    )


def spread(values: Sequence[float]) -> Spread:
    """Min, median, max, mean and standard deviation."""
    array = np.asarray(values, np.float64)
    return Spread(
        float(array.min()),
        float(np.median(array)),
        float(array.max()),
        float(array.mean()),
        float(array.std()),
    )


def _describe_one(drawing: Drawing) -> tuple[DrawingFigures, Pixels]:
    """A drawing's figures, and the pixels that its palette is made of."""
    height, width = drawing.pixels.shape[:2]
    figure = find_figure(drawing)
    on_figure = figure.mask > 127
    rows = np.flatnonzero(on_figure.any(axis=1))
    lines = find_lines(figure)
    edge = np.concatenate([on_figure[0], on_figure[-1], on_figure[:, 0], on_figure[:, -1]])
    red, green, blue = (_channel(drawing.pixels[..., number]) for number in range(3))
    figures = DrawingFigures(
        file=drawing.path.name,
        caption=drawing.caption,
        width_px=width,
        height_px=height,
        aspect_ratio=width / height,
        file_bytes=drawing.path.stat().st_size if drawing.path.is_file() else None,
        red=red,
        green=green,
        blue=blue,
        hsv=mean_hsv(drawing.pixels),
        paper=figure.paper,
        paper_share=1 - float(figure.mask.mean(dtype=np.float64)) / 255,
        is_cut_out=not on_figure.all(),
        touches_edge=bool(edge.any()),
        figure_height_px=int(rows[-1] - rows[0] + 1) if len(rows) else 0,
        ink=lines.ink,
    )
    return figures, coloured_pixels(figure, lines.where, paper=drawing.mask is None)


def _channel(values: Pixels) -> Channel:
    return Channel(float(values.mean(dtype=np.float64)), int(values.min()), int(values.max()))


def _spreads(figures: Sequence[DrawingFigures]) -> dict[str, Spread]:
    """The spread of each figure; that of file sizes only where all files are there."""
    values: dict[str, list[float]] = {
        "width_px": [one.width_px for one in figures],
        "height_px": [one.height_px for one in figures],
        "aspect_ratio": [one.aspect_ratio for one in figures],
        "file_bytes": [one.file_bytes for one in figures if one.file_bytes is not None],
        "red": [one.red.mean for one in figures],
        "green": [one.green.mean for one in figures],
        "blue": [one.blue.mean for one in figures],
        "paper_share": [one.paper_share for one in figures],
    }
    return {name: spread(row) for name, row in values.items() if len(row) == len(figures)}


def _hsv_spread(means: Sequence[Hsv]) -> HsvSpread:
    hues = np.array([one.hue_deg for one in means if one.hue_deg is not None], np.float32)
    hue, agreement = mean_angle(hues, np.ones_like(hues))
    return HsvSpread(
        hue, agreement, spread([one.saturation for one in means]), spread([one.value for one in means])
    )
