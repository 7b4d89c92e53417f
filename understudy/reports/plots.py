"""Plots as small vector pictures that follow the page's light or dark."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from understudy.reports.images import data_uri

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stand for the page's colours, and are put in their place when the plot is written.
_INK, _FAINT, _ACCENT = "#010203", "#040506", "#070809"
_STYLE = (
    "<style>:root{--ink:#57534e;--faint:#d6d3d1;--accent:#b4462c}"
    "@media(prefers-color-scheme:dark){:root{--ink:#a8a29e;--faint:#44403c;--accent:#f0896c}}</style>"
)
CHANNEL_COLOURS = ("#e5484d", "#30a46c", "#3e7bfa")
WIDTH_IN, HEIGHT_IN = 4.4, 2.5
"""Small, so that letters are still read on a phone."""
VALUES_A_BAR = 8
SMOOTHED = 12
"""The curve shows running means over one in so many of the entries."""


def loss_curves(curves: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> str:
    """Each loss at its logged steps as dots, and its running mean as a line; an SVG data URI."""
    figure, (axes,) = _begin()
    for (name, (steps, losses)), colour in zip(
        curves.items(), cycle((_ACCENT, *CHANNEL_COLOURS[1:])), strict=False
    ):
        dots = _INK if len(curves) == 1 else colour
        axes.plot(steps, losses, ".", color=dots, markersize=4, alpha=0.45, markeredgewidth=0)
        window = max(1, len(losses) // SMOOTHED)
        smooth = np.convolve(losses, np.ones(window) / window, "valid")
        shown = steps[window // 2 : window // 2 + len(smooth)]
        axes.plot(shown, smooth, color=colour, linewidth=1.8, label=name)
    if len(curves) > 1:
        axes.legend(frameon=False, labelcolor=_INK, fontsize=8.5)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    return _finish(figure)


def value_histogram(counts: Sequence[Sequence[int]]) -> str:
    """How many pixels have each value 0 to 255, a panel for each of red, green and blue; an SVG data URI.

    On a logarithmic scale, because white paper is most of every drawing.
    """
    figure, panels = _begin(rows=3)
    starts = np.arange(0, 256, VALUES_A_BAR)
    for name, colour, row, axes in zip(
        ("red", "green", "blue"), CHANNEL_COLOURS, counts, panels, strict=True
    ):
        share = 100 * np.asarray(row).reshape(-1, VALUES_A_BAR).sum(axis=1) / sum(row)
        axes.bar(starts, share, width=VALUES_A_BAR * 0.85, align="edge", color=colour)
        axes.set_yscale("log")
        axes.set_ylim(0.01, 100)
        axes.set_yticks([0.1, 10], ["0.1%", "10%"])
        axes.minorticks_off()
        axes.set_xticks([])
        axes.text(0, 30, name, color=_INK, fontsize=8.5)
    panels[-1].set_xticks([0, 64, 128, 192, 256], ["0, dark", "64", "128", "192", "255, bright"])
    return _finish(figure)


def hue_wheel(hues_deg: Sequence[float], mean_deg: float | None) -> str:
    """Each drawing's mean hue as a dot at the wheel of hues, and the set's as a line; an SVG data URI."""
    from matplotlib.colors import hsv_to_rgb
    from matplotlib.figure import Figure

    figure = Figure(figsize=(HEIGHT_IN, HEIGHT_IN))
    axes = figure.add_subplot(projection="polar")
    num = 72
    around = np.arange(num) * 2 * math.pi / num
    colours = hsv_to_rgb(np.stack([np.arange(num) / num, np.full(num, 0.75), np.full(num, 0.9)], axis=1))
    axes.bar(around, 0.14, width=2 * math.pi / num * 1.05, bottom=1, color=colours, linewidth=0)
    if mean_deg is not None:
        axes.plot([math.radians(mean_deg)] * 2, [0, 0.82], color=_ACCENT, linewidth=1.8)
    axes.plot(np.deg2rad(hues_deg), np.full(len(hues_deg), 0.9), "o", color=_INK, markersize=5, alpha=0.8)
    axes.set_ylim(0, 1.14)
    axes.set_axis_off()
    return _finish(figure)


def _begin(rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with one plot below the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN))
    panels = [figure.add_subplot(rows, 1, row + 1) for row in range(rows)]
    for axes in panels:
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(_FAINT)
        axes.tick_params(colors=_INK, labelsize=8.5, length=0)
        axes.xaxis.label.set_color(_INK)
        axes.yaxis.label.set_color(_INK)
    return figure, panels


def _finish(figure: Figure) -> str:
    """The figure as an SVG without a date, in the page's colours and the reader's own font."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "understudy"}):
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            bbox_inches="tight",
            pad_inches=0.05,
            metadata={"Date": None},
        )
    text = buffer.getvalue()
    for stands_for, name in ((_INK, "ink"), (_FAINT, "faint"), (_ACCENT, "accent")):
        text = text.replace(stands_for, f"var(--{name})")
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    text = re.sub(r"(<svg [^>]*>)", lambda found: found[1] + _STYLE, text, count=1)
    return data_uri(text.encode(), "image/svg+xml")
