from __future__ import annotations

import numpy as np

from understudy.fitting import fit, resize


def test_the_same_size_is_left_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    place = fit((30, 20), (30, 20))
    assert np.array_equal(place.lay(pixels), pixels)
    assert np.array_equal(place.lift(pixels), pixels)


def test_a_tall_picture_lies_in_the_middle_and_comes_back() -> None:
    pixels = np.zeros((80, 40, 3), np.uint8)
    pixels[:, 20:] = 200
    place = fit((40, 80), (32, 32))
    assert (place.left, place.top, place.width, place.height) == (8, 0, 16, 32)
    laid = place.lay(pixels)
    assert laid.shape == (32, 32, 3)
    assert (laid[:, :15] == 0).all()
    assert (laid[:, 17:] == 200).all()  # the margin goes on with the edge
    back = place.lift(laid)
    assert back.shape == pixels.shape
    assert (back[:, :15] == 0).all()
    assert (back[:, 25:] == 200).all()


def test_a_mask_loses_nothing_when_it_shrinks() -> None:
    mask = np.zeros((200, 100), np.uint8)
    mask[101, 50] = 255
    laid = fit((100, 200), (20, 20)).lay_mask(mask)
    assert np.argwhere(laid).tolist() == [[10, 10]]
    assert laid.max() == 255


def test_shrinking_averages() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (8, 4))[..., None].repeat(3, axis=2)
    assert np.abs(resize(stripes, (4, 4)).astype(int) - 127).max() <= 1
