from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from understudy.domain import Drawing, Pixels
from understudy.drawings.prepare import View, caption_prompt, make_views

SIZE = 64


def drawing(pixels: Pixels, mask: Pixels | None = None) -> Drawing:
    return Drawing(Path("one.png"), pixels, "standing", mask)


def whole_figure(paper: int = 255) -> Pixels:
    """A red ring with a white inside, on paper of 100 x 80."""
    pixels = np.full((100, 80, 3), paper, np.uint8)
    pixels[20:90, 20:60] = (200, 0, 0)
    pixels[40:60, 30:50] = paper
    return pixels


def portrait() -> Pixels:
    """A bust that the lower edge cuts off."""
    pixels = np.full((100, 100, 3), 255, np.uint8)
    pixels[30:, 20:80] = (0, 0, 200)
    return pixels


def views(one: Drawing, count: int = 12, jitter: float = 0.2, flips: bool = False) -> list[View]:
    return make_views(one, SIZE, count, jitter, jitter, flips, (0, 1))


def red(view: View) -> np.ndarray:
    return (view.pixels[..., 0] > 150) & (view.pixels[..., 1] < 100)


def test_first_view_is_the_letterboxed_drawing() -> None:
    first = views(drawing(whole_figure()))[0]
    assert first.pixels.shape == (SIZE, SIZE, 3)
    rows = np.flatnonzero(red(first).any(axis=1))
    columns = np.flatnonzero(red(first).any(axis=0))
    assert rows[0] == pytest.approx(0.20 * SIZE, abs=1)
    assert rows[-1] + 1 == pytest.approx(0.90 * SIZE, abs=1)
    assert columns[0] == pytest.approx(0.30 * SIZE, abs=1)  # ten of a hundred are added on both sides
    assert (first.pixels[:, :5] == 255).all()


def test_views_are_repeatable_and_differ() -> None:
    one = drawing(whole_figure())
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(views(one), views(one), strict=True))
    assert len({view.pixels.tobytes() for view in views(one)}) > 6


def test_a_whole_figure_stays_whole() -> None:
    for view in views(drawing(whole_figure()), count=40, jitter=0.4):
        height = np.ptp(np.flatnonzero(red(view).any(axis=1))) + 1
        width = np.ptp(np.flatnonzero(red(view).any(axis=0))) + 1
        assert height / width == pytest.approx(70 / 40, abs=0.15)


def test_a_cut_off_figure_stays_at_the_edge() -> None:
    for view in views(drawing(portrait()), count=40, jitter=0.2):
        assert view.mask[-1].max() == 255
        assert view.mask[0].max() == 0


def test_inside_of_the_figure_is_figure() -> None:
    first = views(drawing(whole_figure()))[0]
    assert first.mask[SIZE // 2, SIZE // 2] == 255
    assert first.mask[2, 2] == 0


def test_coloured_paper_goes_on_around_the_drawing() -> None:
    first = views(drawing(whole_figure(paper=230)))[0]
    assert (first.pixels[:, 0] == 230).all()
    assert first.mask[0, 0] == 0


def test_other_grounds_count_as_figure() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    assert (views(drawing(noise))[0].mask == 255).all()


def test_empty_paper_counts_as_figure() -> None:
    assert (views(drawing(np.full((20, 20, 3), 255, np.uint8)))[0].mask == 255).all()


def test_own_mask_is_taken() -> None:
    mask = np.zeros((100, 80), np.uint8)
    mask[50:60, 30:40] = 255
    first = views(drawing(whole_figure(), mask))[0]
    assert 0 < (first.mask > 127).mean() < 0.02


def test_flips_mirror_every_second_view() -> None:
    one = drawing(whole_figure())
    straight, flipped = views(one, 4), views(one, 4, flips=True)
    for number in range(4):
        expected = straight[number].pixels[:, ::-1] if number % 2 else straight[number].pixels
        assert np.array_equal(flipped[number].pixels, expected)


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (2000, 1500)])
def test_any_shape(shape: tuple[int, int]) -> None:
    pixels = np.zeros((*shape, 3), np.uint8)
    for view in views(drawing(pixels), 5):
        assert view.pixels.shape == (SIZE, SIZE, 3)
        assert view.mask.shape == (SIZE, SIZE)


def test_caption_prompts() -> None:
    assert caption_prompt("Pip", "standing, front view") == "a picture of Pip standing, front view"
    assert caption_prompt("Pip", "") == "a picture of Pip"
