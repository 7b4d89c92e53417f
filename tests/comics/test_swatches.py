from __future__ import annotations

from pathlib import Path

import numpy as np

from understudy.comics.swatches import find_swatches
from understudy.domain import Drawing
from understudy.world.canvas import INK

GREEN, PURPLE, WHITE = (88, 174, 82), (142, 86, 190), (255, 255, 255)


def drawing(paper: tuple[int, int, int] = WHITE) -> Drawing:
    pixels = np.full((120, 100, 3), paper, np.uint8)
    pixels[10:100, 20:80] = INK
    pixels[13:60, 23:77] = GREEN
    pixels[63:97, 23:77] = PURPLE
    pixels[100:106, 10:90] = (222, 222, 228)  # its shadow on the ground
    return Drawing(Path("a.png"), pixels, "")


def test_the_characters_colours_without_paper_ink_and_shadow() -> None:
    for paper in (WHITE, (250, 240, 215)):
        assert find_swatches([drawing(paper)] * 3) == [GREEN, PURPLE]


def test_a_little_noise_makes_no_new_colours() -> None:
    noisy = drawing().pixels.astype(int) + np.random.default_rng(0).integers(-3, 4, (120, 100, 3))
    found = find_swatches([Drawing(Path("a.png"), np.clip(noisy, 0, 255).astype(np.uint8), "")])
    assert len(found) == 2
    assert np.abs(np.array(found) - (GREEN, PURPLE)).max() <= 3


def test_nothing_drawn_no_swatches() -> None:
    assert find_swatches([Drawing(Path("a.png"), np.full((50, 50, 3), 255, np.uint8), "")]) == []
