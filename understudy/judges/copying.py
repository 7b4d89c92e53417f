"""Is a picture a drawing pasted again?

What copying means here: the whole *figure* of one drawing lies in the picture again, line on line, wherever,
smaller or larger, mirrored, cut off by the picture's edge or in front of another place, and nothing more of a
figure than that: what could have been made with scissors and glue. The same character in a new pose is no
copy, however alike its head, nor is a drawn portrait with an arm and an ice cream added to it, nor the same
pose with another face where that is large enough to tell: something was drawn. A picture that shows a
drawing's pose, view and mood in another place is a copy where the figure agrees line on line, and none where
it was drawn afresh; the world's own hand draws by code and agrees with itself to the pixel: there it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from understudy.domain import Drawing, Measure, Picture, Pixels
from understudy.drawings.figure import is_on_paper
from understudy.judges.overlay import Overlay
from understudy.judges.quality import wilson
from understudy.judges.sheets import Plane, figure_weights

THRESHOLD = 0.7
"""How well a drawing's figure must fit where it fits worst; then no hand and no mouth was drawn anew."""
MOST_BEYOND = 0.03
"""How much more of a figure than the drawing's a copy shows, as a share of that: a smear, not an arm."""
MOST_DEMANDED = 0.8
"""Where two drawings are the same, no more than this is asked for: a copy reaches it."""


@dataclass(frozen=True)
class Nearest:
    """The drawing nearest to a picture, by its number, and the share of its figure that lies there again."""

    drawing: int
    share: float
    is_copy: bool


def _hold_nothing(pixels: Pixels) -> Pixels:
    return np.zeros(pixels.shape[:2], np.uint8)


class CopyingJudge:
    """Compares pictures with some drawings; making ready takes longer than a picture does.

    What a picture shows of its own figure is found on flat paper; in front of a place `find_held` says at
    least what it holds: a mask (height, width), 255 there.
    """

    def __init__(
        self, drawings: Sequence[Drawing], find_held: Callable[[Pixels], Pixels] = _hold_nothing
    ) -> None:
        """Raises `ValueError` without drawings."""
        self._overlay = Overlay(drawings)
        self._find_held = find_held
        numbered = enumerate(drawings) if len(drawings) > 1 else ()
        self.bar = _bar([self._overlay.best(one.pixels, without=number).worst for number, one in numbered])

    def nearest(self, picture: Picture) -> Nearest:
        """The drawing of which most lies in the picture, and whether that makes a copy."""
        found = self._overlay.best(picture.pixels, self._figure(picture.pixels))
        is_copy = found.worst >= self.bar and found.beyond <= MOST_BEYOND
        return Nearest(found.drawing, found.share, is_copy)

    def _figure(self, pixels: Pixels) -> Plane:
        if is_on_paper(pixels):
            return figure_weights(Drawing(Path(), pixels, ""))
        return (self._find_held(pixels) > 0).astype(np.float32)


def sum_up_copies(copies: Sequence[bool]) -> dict[str, Measure]:
    """The share of pictures that are copies; nothing where there is no picture."""
    if not copies:
        return {}
    number, n = sum(copies), len(copies)
    says = f"{number} of {n} pictures show a drawing's figure again, line on line."
    return {"copying": Measure(number / n, *wilson(number, n), n, says)}


def _bar(between_drawings: Sequence[float]) -> float:
    """What a copy must reach: more than drawings have in common with each other, by their 99th percentile."""
    if not between_drawings:
        return THRESHOLD
    usual = float(np.quantile(between_drawings, 0.99))
    return min(max(THRESHOLD, usual), MOST_DEMANDED)
