"""Cut-outs against compositions that are known: a figure with its exact alpha, laid over paper."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from understudy.domain import Drawing, Pixels
from understudy.drawings.cutting import cut_out
from understudy.drawings.figure import Figure, find_figure

DARK = (20, 16, 40)
INK, FILL = (38, 33, 43), (250, 190, 60)


def known(outlined: bool, size: int = 120, times: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A round figure's colours (size, size, 3) and its alpha (size, size), averaged down from a large one."""
    large = np.zeros((size * times, size * times, 4), np.float32)
    middle = (size * times // 2, size * times // 2)
    cv2.circle(large, middle, 40 * times, (*(INK if outlined else FILL), 255), -1)
    cv2.circle(large, middle, 37 * times, (*FILL, 255), -1)
    small = cv2.resize(large * (large[..., 3:] > 0), (size, size), interpolation=cv2.INTER_AREA)
    alpha = small[..., 3] / 255
    return small[..., :3] / np.maximum(alpha, 1e-6)[..., None], alpha


def over(colours: np.ndarray, alpha: np.ndarray, ground: tuple[int, int, int]) -> Pixels:
    mixed = colours * alpha[..., None] + np.array(ground) * (1 - alpha[..., None])
    return np.round(mixed).astype(np.uint8)


def relaid(cut: Pixels, ground: tuple[int, int, int]) -> Pixels:
    return over(cut[..., :3].astype(float), cut[..., 3] / 255, ground)


@pytest.mark.parametrize("outlined", [True, False])
@pytest.mark.parametrize("paper", [(255, 255, 255), (236, 228, 210)])
def test_no_halo_on_a_dark_ground(outlined: bool, paper: tuple[int, int, int]) -> None:
    colours, alpha = known(outlined)
    drawing = over(colours, alpha, paper)
    cut = cut_out(find_figure(Drawing(Path("a.png"), drawing, "")))
    truth, found = over(colours, alpha, DARK), relaid(cut, DARK)
    edge = (alpha > 0) & (alpha < 1)
    error = np.abs(found.astype(int) - truth).max(axis=2)
    assert error[edge].mean() < 4
    assert error.max() <= 24
    # What cutting along the mask alone would do, to show that the test can tell.
    hard = find_figure(Drawing(Path("a.png"), drawing, "")).mask > 127
    naive = np.where(hard[..., None], drawing, np.array(DARK, np.uint8))
    assert np.abs(naive.astype(int) - truth).max(axis=2)[edge].mean() > 20


def test_laid_on_its_own_paper_it_is_the_drawing() -> None:
    colours, alpha = known(outlined=True)
    drawing = over(colours, alpha, (255, 255, 255))
    cut = cut_out(find_figure(Drawing(Path("a.png"), drawing, "")))
    assert np.abs(relaid(cut, (255, 255, 255)).astype(int) - drawing).max() <= 12
    assert (cut[alpha == 1, 3] == 255).all()
    assert (cut[alpha == 0, 3] == 0).all()


def test_an_alpha_that_is_given_is_kept_and_unmixed() -> None:
    colours, alpha = known(outlined=True)
    mask = np.round(alpha * 255).astype(np.uint8)
    cut = cut_out(Figure(over(colours, alpha, (255, 255, 255)), mask, (255, 255, 255)))
    assert np.array_equal(cut[..., 3], mask)
    assert np.abs(relaid(cut, DARK).astype(int) - over(colours, alpha, DARK)).max() <= 3


def test_a_flat_shadow_is_no_mix() -> None:
    pixels = np.full((80, 80, 3), 255, np.uint8)
    pixels[20:50, 30:50] = INK
    pixels[50:58, 20:60] = (222, 222, 228)
    cut = cut_out(find_figure(Drawing(Path("a.png"), pixels, "")))
    assert (cut[52:56, 24:56, 3] == 255).all()
    assert (cut[52:56, 24:56, :3] == (222, 222, 228)).all()
