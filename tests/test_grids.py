from __future__ import annotations

import numpy as np

from understudy.grids import Cell, draw_grid


def flat(colour: tuple[int, int, int], height: int = 30, width: int = 30) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_every_tile_is_there_in_its_place() -> None:
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 0, 200)]
    tiles = [flat(colour) for colour in colours]
    cells = [Cell("one", (tiles[0], tiles[1])), Cell("two", (tiles[2], tiles[3]))]
    sheet = np.asarray(draw_grid(cells, num_columns=1))
    found = [np.argwhere((sheet == colour).all(axis=2)).mean(axis=0) for colour in colours]
    assert found[0][0] == found[1][0] < found[2][0] == found[3][0]
    assert found[0][1] == found[2][1] < found[1][1] == found[3][1]
    beside = np.asarray(draw_grid(cells, num_columns=2))
    assert beside.shape[1] > 1.8 * sheet.shape[1]
    assert beside.shape[0] < 0.6 * sheet.shape[0]


def test_a_wide_picture_stays_wide() -> None:
    sheet = np.asarray(draw_grid([Cell("wide", (flat((200, 0, 0), 20, 60),))]))
    rows, columns = np.nonzero((sheet == (200, 0, 0)).all(axis=2))
    assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == 3


def test_labels_and_captions_are_written_and_held_within() -> None:
    plain = np.asarray(draw_grid([Cell("", (flat((255, 255, 255)),))]))
    long = np.asarray(draw_grid([Cell("a picture of somebody " * 20, (flat((255, 255, 255)),))]))
    assert plain.shape == long.shape
    changed = np.argwhere((plain != long).any(axis=2))
    assert len(changed) > 100
    assert changed[:, 1].max() < plain.shape[1] - 12
    captioned = draw_grid([Cell("", (flat((255, 255, 255)),), ("seed 7",))])
    assert captioned.height > plain.shape[0]
