"""Which drawings are shown to a base."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.toy_character import make_character
from understudy.domain import Drawing, Pixels
from understudy.drawings.references import lay_on_paper, rank_references


def drawing(caption: str, figure: Pixels | None = None) -> Drawing:
    """A figure on white paper."""
    pixels = np.full((64, 48, 3), 255, np.uint8)
    pixels[16:48, 12:36] = 90 if figure is None else figure
    return Drawing(Path("drawing.png"), pixels, caption)


def test_each_view_comes_first_and_plainly() -> None:
    captions = (
        "waving, seen from behind, in front of a castle",
        "jumping, smiling, front view",
        "standing, side view",
        "front view",
        "back view",
        "portrait",
    )
    ranked = rank_references([drawing(caption) for caption in captions])
    assert ranked[:3] == [3, 2, 4]
    assert sorted(ranked) == list(range(6))


def test_what_is_no_view_is_not_taken_for_one() -> None:
    captions = ("looking back", "leaning on one side", "at the front door, all dressed up", "running")
    assert rank_references([drawing(caption) for caption in captions])[0] == 3


def test_then_comes_what_is_most_unlike() -> None:
    plain, light, other = (np.full((32, 24, 3), shade, np.uint8) for shade in (90, 110, 90))
    other[:16] = (220, 40, 40)
    ranked = rank_references([drawing("front view", plain), drawing("", light), drawing("", other)])
    assert ranked == [0, 2, 1]


def test_the_seed_decides_between_equals() -> None:
    drawings = [drawing("standing")] * 6
    assert rank_references(drawings, 1) == rank_references(drawings, 1)
    assert len({rank_references(drawings, seed)[0] for seed in range(8)}) > 1


def test_a_drawing_lies_whole_on_its_own_paper() -> None:
    laid = lay_on_paper(make_character(1).drawings[0], 64)
    assert laid.shape == (64, 64, 3)
    assert (laid[:, :8] == 255).all()  # the drawing is higher than wide
    assert (laid[40, 30] == (220, 40, 40)).all()
