"""The character is found on flat paper: gaps are paper, white that ink encloses is figure."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from understudy.domain import Drawing, Pixels
from understudy.drawings.figure import find_figure
from understudy.drawings.prepare import make_views

INK = (20, 20, 20)


def person(paper: int = 255) -> Pixels:
    """A body with a white shirt and eyes, and an arm akimbo that leaves a gap of paper; 300 x 300."""
    pixels = np.full((300, 300, 3), paper, np.uint8)
    white = (paper,) * 3
    cv2.circle(pixels, (150, 70), 45, (230, 180, 150), -1)
    cv2.circle(pixels, (150, 70), 45, INK, 3)
    for x in (135, 165):
        cv2.circle(pixels, (x, 65), 9, white, -1)
        cv2.circle(pixels, (x, 65), 9, INK, 2)
    cv2.rectangle(pixels, (115, 120), (185, 200), white, -1)
    cv2.rectangle(pixels, (115, 120), (185, 200), INK, 3)
    cv2.rectangle(pixels, (120, 200), (180, 285), (60, 80, 200), -1)
    cv2.polylines(pixels, [np.array([(190, 125), (235, 160), (185, 195)])], False, (230, 180, 150), 14)
    return pixels


def mask_of(pixels: Pixels) -> np.ndarray:
    return find_figure(Drawing(Path("a.png"), pixels, "")).mask


@pytest.mark.parametrize("paper", [255, 235])
def test_eyes_and_shirt_are_figure_and_a_gap_is_paper(paper: int) -> None:
    mask = mask_of(person(paper))
    assert mask[65, 135] == 255
    assert mask[160, 150] == 255
    assert mask[160, 205] == 0
    assert mask[160, 235] == 255
    assert not mask[:10].any()
    assert find_figure(Drawing(Path("a.png"), person(paper), "")).paper == (paper,) * 3


def test_paper_between_legs_and_beside_a_raised_arm_is_paper() -> None:
    pixels = np.full((200, 200, 3), 255, np.uint8)
    pixels[20:100, 60:140] = (200, 0, 0)
    pixels[100:180, 60:80] = pixels[100:180, 120:140] = (0, 0, 200)
    pixels[10:60, 150:160] = pixels[50:60, 140:160] = (200, 0, 0)
    mask = mask_of(pixels)
    truth = (pixels < 255).any(axis=2)
    assert ((mask > 0) == truth).all()


def test_the_white_shirt_of_a_bust_is_figure() -> None:
    pixels = np.full((200, 200, 3), 255, np.uint8)
    cv2.rectangle(pixels, (50, 100), (150, 230), INK, 3)
    cv2.circle(pixels, (100, 60), 40, (200, 150, 100), -1)
    mask = mask_of(pixels)
    assert mask[150, 100] == 255
    assert mask[150, 20] == 0


def test_dust_and_jpeg_noise_are_paper() -> None:
    pixels = person()
    pixels[20, 20] = 0
    noise = np.random.default_rng(0).integers(-4, 5, pixels.shape)
    noisy = (pixels.astype(int) + noise).clip(0, 255).astype(np.uint8)
    assert (mask_of(noisy) != mask_of(person())).mean() < 0.002
    assert mask_of(noisy)[20, 20] == 0


def test_a_given_mask_tells_the_paper_around_it() -> None:
    pixels = np.full((80, 80, 3), (10, 200, 90), np.uint8)
    mask = np.zeros((80, 80), np.uint8)
    mask[20:40, 20:40] = 255
    figure = find_figure(Drawing(Path("a.png"), pixels, "", mask))
    assert figure.paper == (10, 200, 90)
    assert (figure.mask == mask).all()


def test_paper_jitter_changes_the_paper_and_nothing_else() -> None:
    drawing = Drawing(Path("a.png"), person(), "")
    plain = make_views(drawing, 96, 6, 0.1, 0.1, False, (0, 1))
    varied = make_views(drawing, 96, 6, 0.1, 0.1, False, (0, 1), paper_jitter=0.8)
    assert (plain[0].pixels == varied[0].pixels).all()
    papers = set()
    for before, after in zip(plain[1:], varied[1:], strict=True):
        assert (before.mask == after.mask).all()
        assert (before.pixels[before.mask == 255] == after.pixels[before.mask == 255]).all()
        open_ = after.pixels[(before.mask == 0) & (before.pixels == 255).all(axis=2)]
        assert (open_ == open_[0]).all()
        papers.add(tuple(open_[0]))
    assert len(papers) == 5
    assert (255, 255, 255) not in papers
