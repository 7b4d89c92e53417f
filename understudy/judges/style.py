"""Are the pictures drawn in the hand of the drawings: how heavy its line, which colours?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from understudy.domain import Drawing, Measure, Picture, Pixels
from understudy.drawings.figure import WHITE, Figure, find_figure
from understudy.drawings.ink import find_lines
from understudy.drawings.oklab import Oklab, to_oklab
from understudy.drawings.palette import coloured_pixels
from understudy.judges.averages import mean_with_interval

FindFigure = Callable[[Pixels], Pixels]
"""The mask (height, width), 255 on the figure, of a picture (height, width, 3) in any place."""

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
    pictures: Iterable[Picture], drawings: Sequence[Drawing], find_figure_in: FindFigure
) -> dict[str, Measure]:
    """How heavy the pictures' lines are, and how far their colours lie from the drawings'.

    `line_weight` is the mean width of their lines over that of the drawings'. `palette` is the distance to
    the nearest drawing's colours over that of each drawing to the nearest other one: 1 is as near as the
    drawings are to each other. Only the figure counts, as `find_figure_in` finds it; pictures in which there
    is none are left out.
    """
    drawn = [_hand(find_figure(drawing)) for drawing in drawings]
    prompts, made = [], []
    for picture in pictures:
        mask = find_figure_in(picture.pixels)
        if (mask > 127).any():
            prompts.append(picture.scene.prompt)
            made.append(_hand(Figure(picture.pixels, mask, WHITE)))
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


def _hand(figure: Figure) -> Hand:
    lines = find_lines(figure)
    line = lines.ink.weight_px / max(figure.mask.shape) if lines.ink else None
    # White on white paper counts here: in a picture in the woods it is seen too.
    coloured = coloured_pixels(figure, lines.where, paper=False)
    if not len(coloured):  # nothing but lines
        coloured = (
            figure.pixels[figure.mask > 127] if (figure.mask > 127).any() else figure.pixels.reshape(-1, 3)
        )
    chosen = np.random.default_rng(0).integers(len(coloured), size=NUM_COLOURS)
    return Hand(line, to_oklab(coloured[chosen]))


def _grouped(pairs: Sequence[tuple[str, float]]) -> list[list[float]]:
    """The values of each prompt."""
    groups: dict[str, list[float]] = {}
    for prompt, value in pairs:
        groups.setdefault(prompt, []).append(value)
    return list(groups.values())
