"""Are the pictures drawn in the hand of the drawings: how heavy its line, which colours?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Drawing, Measure, Picture, Pixels
from understudy.drawings.figure import find_figure
from understudy.drawings.oklab import Oklab, to_oklab
from understudy.judges.averages import mean_with_interval

FindFigures = Callable[[Sequence[Pixels]], list[Pixels]]
"""Masks (height, width), 255 on the figure, of pictures in any place."""

LINE_PX = 512
"""The side at which lines are measured: the world's are 7 px wide there."""
INK_SHARE = 0.03
"""Of a drawing's figure, the darkest part that is surely ink."""
INK_REACH = 0.12
"""How far in Oklab the rest of the ink may be from it: smoothing, not another colour."""
NUM_COLOURS = 512
"""Points that stand for a figure's colours."""
NUM_DIRECTIONS = 32
JUST_NOTICEABLE = 0.02
"""In Oklab (CSS Color 4, section 13.2): drawings that differ less are taken to differ by so much."""


@dataclass(frozen=True)
class Hand:
    """What is told of a hand: `line` is a share of the picture's side, or None; `colours` are (n, 3)."""

    line: float | None
    colours: Oklab


def judge_style(
    pictures: Iterable[Picture], drawings: Sequence[Drawing], find_figures: FindFigures
) -> dict[str, Measure]:
    """How heavy the pictures' lines are, and how far their colours lie from the drawings'.

    `line_weight` is the mean width of their lines over that of the drawings'. `palette` is the distance to
    the nearest drawing's colours over that of each drawing to the nearest other one: 1 is as near as the
    drawings are to each other. Only the figure counts, as `find_figures` finds it; pictures in which it finds
    none are left out.
    """
    figures = [find_figure(drawing) for drawing in drawings]
    inks = [_ink(figure.pixels, figure.mask) for figure in figures]
    ink = inks[int(np.argmin([colour[0] for colour in inks]))]
    drawn = [_hand(figure.pixels, figure.mask, ink) for figure in figures]
    prompts, made = [], []
    for picture in pictures:
        mask = find_figures([picture.pixels])[0]
        if (mask > 127).any():
            prompts.append(picture.scene.prompt)
            made.append(_hand(picture.pixels, mask, ink))
    if not made:
        return {}
    return {**_judge_lines(made, drawn, prompts), **_judge_colours(made, drawn, prompts)}


def _judge_lines(made: Sequence[Hand], drawn: Sequence[Hand], prompts: Sequence[str]) -> dict[str, Measure]:
    own = [hand.line for hand in drawn if hand.line is not None]
    lines = [(prompt, hand.line) for prompt, hand in zip(prompts, made, strict=True) if hand.line is not None]
    if not own or not lines:
        return {}
    usual = float(np.mean(own))
    value, low, high = mean_with_interval(_grouped([(prompt, line / usual) for prompt, line in lines]))
    says = (
        f"The pictures' lines are {value:.2f} times as heavy as the drawings', "
        f"which vary from {min(own) / usual:.2f} to {max(own) / usual:.2f} themselves."
    )
    return {"line_weight": Measure(value, low, high, len(lines), says)}


def _judge_colours(made: Sequence[Hand], drawn: Sequence[Hand], prompts: Sequence[str]) -> dict[str, Measure]:
    own = [
        min(colour_distance(hand.colours, other.colours) for other in drawn if other is not hand)
        for hand in drawn
        if len(drawn) > 1
    ]
    yardstick = max(JUST_NOTICEABLE, float(np.mean(own)) if own else 0.0)
    nearest = [min(colour_distance(hand.colours, other.colours) for other in drawn) for hand in made]
    shares = [(prompt, far / yardstick) for prompt, far in zip(prompts, nearest, strict=True)]
    value, low, high = mean_with_interval(_grouped(shares))
    says = (
        f"The figure's colours are {value:.1f} times as far from the nearest drawing's "
        "as the drawings' are from each other (1 or less is the character's own palette)."
    )
    return {"palette": Measure(value, low, high, len(made), says)}


def colour_distance(first: Oklab, second: Oklab) -> float:
    """How far one set of colours (n, 3) must be moved to become the other (n, 3), in Oklab per colour.

    Sliced Wasserstein distance: Bonneel et al. 2015, "Sliced and Radon Wasserstein barycenters of measures".
    """
    random = np.random.default_rng(0)
    directions = random.normal(size=(NUM_DIRECTIONS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    one, two = (np.sort(colours @ directions.T, axis=0) for colours in (first, second))
    # A shift by d is seen as d / sqrt(3) by the mean square over all directions of space.
    return float(np.sqrt(3 * np.square(one - two).mean()))


def line_weight(pixels: Pixels, mask: Pixels, ink: Oklab) -> float | None:
    """The usual width of the inked lines of a figure, as a share of the longer side; None without ink."""
    factor = LINE_PX / max(mask.shape)
    size = round(mask.shape[1] * factor), round(mask.shape[0] * factor)
    large = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC))
    figure = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR) > 127
    # Half way from the ink to what lies beside it is a line's edge; what is light is not ink at all.
    is_ink = (np.linalg.norm(to_oklab(large) - ink, axis=2) < 2 * INK_REACH) & figure
    # Nothing is inked beyond the edge: the depth of what is ink all over would have no end.
    depth = cv2.distanceTransform(np.pad(is_ink, 1).astype(np.uint8), cv2.DIST_L2, 5)
    # The ridges of the depth are the middles of lines: of a filled shape there are few, so it hardly counts.
    ridge = (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8))) & (depth > 1)
    if not ridge.any():
        return None
    return float(2 * np.median(depth[ridge]) / LINE_PX)


def _hand(pixels: Pixels, mask: Pixels, ink: Oklab) -> Hand:
    inside = _inside(pixels, mask)
    filled = inside[np.linalg.norm(inside - ink, axis=1) > INK_REACH]
    colours = filled if len(filled) else inside
    chosen = np.random.default_rng(0).integers(len(colours), size=NUM_COLOURS)
    return Hand(line_weight(pixels, mask, ink), colours[chosen])


def _ink(pixels: Pixels, mask: Pixels) -> Oklab:
    """The mean of a figure's darkest pixels."""
    inside = _inside(pixels, mask)
    darkest = inside[np.argsort(inside[:, 0])[: max(1, round(INK_SHARE * len(inside)))]]
    colour: NDArray[np.float32] = darkest.mean(axis=0)
    return colour


def _inside(pixels: Pixels, mask: Pixels) -> Oklab:
    """The colours (n, 3) of a figure, or of all where the mask is nowhere more than half covered."""
    return to_oklab(pixels[mask > 127] if (mask > 127).any() else pixels.reshape(-1, 3))


def _grouped(pairs: Sequence[tuple[str, float]]) -> list[list[float]]:
    """The values of each prompt."""
    groups: dict[str, list[float]] = {}
    for prompt, value in pairs:
        groups.setdefault(prompt, []).append(value)
    return list(groups.values())
