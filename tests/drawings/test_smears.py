from __future__ import annotations

from pathlib import Path

import numpy as np

from understudy.domain import Drawing, Pixels
from understudy.drawings.figure import Figure, find_figure
from understudy.drawings.smears import largest_pieces, without_smears

INK, PALE, SMEAR = (30, 30, 40), (250, 238, 220), (240, 235, 228)


def outlined(fill: tuple[int, int, int]) -> Pixels:
    pixels = np.full((192, 192, 3), 255, np.uint8)
    pixels[40:160, 60:130] = INK
    pixels[44:156, 64:126] = fill
    return pixels


def found(pixels: Pixels) -> Figure:
    return find_figure(Drawing(Path(), pixels, ""))


def test_smears_and_specks_around_a_figure_go() -> None:
    pixels = outlined((220, 40, 40))
    pixels[160:165, 75:115] = SMEAR
    pixels[10:14, 10:14] = (200, 40, 200)
    before, after = found(pixels).mask, without_smears(found(pixels)).mask
    assert before[162, 90] == before[12, 12] == 255
    assert after[162, 90] == after[12, 12] == 0
    assert np.array_equal(after[40:160, 60:130], before[40:160, 60:130])


def test_pale_parts_behind_an_outline_stay_even_where_it_has_a_gap() -> None:
    pixels = outlined(PALE)
    pixels[100:102, 60:64] = PALE
    after = without_smears(found(pixels)).mask
    assert (after[48:152, 70:120] == 255).all()
    pixels = outlined((255, 255, 255))
    pixels[100:102, 60:64] = 255  # the paper flows in
    assert (found(pixels).mask[60:140, 70:120] == 0).all()
    assert (without_smears(found(pixels)).mask[60:140, 70:120] == 255).all()


def test_blank_spots_of_a_pale_area_are_filled_and_gaps_between_limbs_are_not() -> None:
    pixels = outlined(PALE)
    mask = found(pixels).mask.copy()
    pixels[60:90, 80:110] = 255  # no line around it
    mask[60:90, 80:110] = 0
    pixels[120:140, 80:110], pixels[122:138, 82:108] = INK, 255
    mask[122:138, 82:108] = 0
    after = without_smears(Figure(pixels, mask, (255, 255, 255))).mask
    assert (after[60:90, 80:110] == 255).all()
    assert (after[122:138, 82:108] == 0).all()


def test_a_figure_without_paper_stays_as_it_is() -> None:
    full = Figure(outlined(PALE), np.full((192, 192), 255, np.uint8), (255, 255, 255))
    assert without_smears(full) is full
    empty = Figure(outlined(PALE), np.zeros((192, 192), np.uint8), (255, 255, 255))
    assert without_smears(empty) is empty


def test_specks_are_small_beside_the_largest_piece() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[10:60, 10:60] = 255
    mask[80:90, 80:90] = 255
    mask[95, 5] = 255
    kept = largest_pieces(mask)
    assert kept[85, 85] == 255
    assert kept[95, 5] == 0
    assert not largest_pieces(np.zeros((5, 5), np.uint8)).any()
