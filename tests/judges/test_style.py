"""The hand of made-up pictures, whose lines and colours are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from understudy.domain import Drawing, Picture, Pixels, Scene
from understudy.drawings.figure import find_figure
from understudy.drawings.oklab import to_oklab
from understudy.judges.style import colour_distance, judge_style

RED, GREEN, INK = (220, 60, 60), (60, 170, 90), (30, 25, 35)


def figure(width_px: float, colour: tuple[int, int, int], size: int = 192, shift: int = 0) -> Pixels:
    """A disc above a box with outlines of a width, both filled; lengths as on 192 pixels."""
    unit = 4 * size / 192  # four times as large, then averaged down
    large = np.full((4 * size, 4 * size, 3), 255, np.uint8)
    for fill, grown in ((INK, width_px / 2), (colour, -width_px / 2)):
        corners = [(60 + shift - grown, 100 - grown), (130 + shift + grown, 170 + grown)]
        first, last = ([round(unit * each) for each in corner] for corner in corners)
        centre = round(unit * (96 + shift)), round(unit * 60)
        cv2.rectangle(large, first, [each - 1 for each in last], fill, -1)
        cv2.circle(large, centre, round(unit * (35 + grown)), fill, -1)
    return np.asarray(cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA))


def by_paper(pixels: Pixels) -> Pixels:
    return find_figure(drawing(pixels)).mask


def drawing(pixels: Pixels) -> Drawing:
    return Drawing(Path("a.png"), pixels, "")


DRAWINGS = [drawing(figure(3, RED)), drawing(figure(3, RED, shift=8))]


def judged(*pixels: Pixels) -> dict[str, float]:
    pictures = [Picture(Scene(f"prompt {number}"), each) for number, each in enumerate(pixels)]
    return {name: measure.value for name, measure in judge_style(pictures, DRAWINGS, by_paper).items()}


def test_lines_are_compared_at_any_size() -> None:
    assert judged(figure(3, RED))["line_weight"] == pytest.approx(1, abs=0.02)
    assert judged(figure(3, RED, size=384))["line_weight"] == pytest.approx(1, abs=0.15)
    assert judged(figure(6, RED))["line_weight"] == pytest.approx(2, abs=0.35)


def test_small_and_soft_pictures_have_lines_as_heavy() -> None:
    large = figure(3, RED, size=384)
    small = np.asarray(cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA))
    assert judged(small)["line_weight"] == pytest.approx(1, abs=0.1)
    soft = cv2.GaussianBlur(small, (0, 0), 0.6)  # which widens a line of two pixels
    assert judged(soft)["line_weight"] == pytest.approx(1, abs=0.25)


def test_no_lines_no_weight() -> None:
    plain = np.full((64, 64, 3), 255, np.uint8)
    plain[16:48, 16:48] = (250, 200, 200)
    assert set(judged(plain)) == {"palette"}
    black = np.full((64, 64, 3), 255, np.uint8)
    black[16:48, 16:48] = INK
    assert set(judged(black)) == {"palette"}  # a dark shape, no line


def test_colours_are_told_in_the_drawings_own_distance() -> None:
    same, other = judged(figure(3, RED, shift=-8))["palette"], judged(figure(3, GREEN))["palette"]
    assert same < 1 < 5 < other


def test_a_shift_of_all_colours_is_its_length() -> None:
    colours = np.random.default_rng(1).random((512, 3)).astype(np.float32)
    assert colour_distance(colours, colours[::-1]) == pytest.approx(0, abs=1e-6)
    shifts = [np.array(one, np.float32) for one in ((0.3, 0, 0), (0, 0.3, 0), (0.17, -0.17, 0.17))]
    found = [colour_distance(colours, colours + shift) for shift in shifts]
    assert found == pytest.approx([0.3] * 3, rel=0.25)  # of 32 directions, not of all


def test_oklab_of_known_colours() -> None:
    # From the table in Ottosson 2020, by way of CSS Color 4: white, red and blue of sRGB.
    known = {
        (255, 255, 255): (1.0, 0.0, 0.0),
        (255, 0, 0): (0.628, 0.2249, 0.1258),
        (0, 0, 255): (0.452, -0.0324, -0.3115),
    }
    for colour, lab in known.items():
        assert to_oklab(np.array(colour, np.uint8)) == pytest.approx(lab, abs=2e-3)


def test_nothing_to_judge() -> None:
    assert judged() == {}
    pictures = [Picture(Scene("x"), figure(3, RED))]
    assert judge_style(pictures, DRAWINGS, lambda pixels: np.zeros((192, 192), np.uint8)) == {}
