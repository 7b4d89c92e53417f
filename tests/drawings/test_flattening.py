"""Heroes of the world are blurred and clouded as a model does, and get their colours back."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from understudy.domain import Attributes, Drawing, Pixels
from understudy.drawings.figure import find_figure
from understudy.drawings.flattening import Ground, Paints, find_paints, flatten
from understudy.drawings.oklab import to_oklab
from understudy.world.heroes import drawings, hero, oracle

INK, RED, BLUE, CREAM = (38, 33, 43), (220, 40, 40), (40, 60, 220), (250, 232, 190)
PAINTS = Paints((RED, BLUE, CREAM), INK)


def outlined(left: tuple[int, int, int], right: tuple[int, int, int], paper: int = 255) -> Pixels:
    """A block with an outline, in two colours that meet without a line."""
    pixels = np.full((192, 192, 3), paper, np.uint8)
    pixels[40:160, 50:140] = INK
    pixels[44:156, 54:95] = left
    pixels[44:156, 95:136] = right
    return pixels


def clouded(pixels: Pixels, seed: int = 0) -> Pixels:
    """Blurred, and with large soft clouds of other lightness and hue on the figure."""
    noise = np.random.default_rng(seed).normal(0, 1, (6, 6, 3)).astype(np.float32)
    clouds = cv2.resize(noise, (192, 192), interpolation=cv2.INTER_CUBIC) * 18
    on_figure = find_figure(Drawing(Path(), pixels, "")).mask[..., None] > 127
    soft = cv2.GaussianBlur(pixels, (0, 0), 1.2).astype(np.float32)
    return np.where(on_figure, soft + clouds, soft).clip(0, 255).astype(np.uint8)


def on_paper(pixels: Pixels) -> Ground:
    figure = find_figure(Drawing(Path(), pixels, ""))
    return Ground(figure.mask > 127, np.zeros(pixels.shape[:2], bool), figure.paper)


def test_clouds_go_and_two_colours_stay_two() -> None:
    flat = flatten(clouded(outlined(RED, CREAM)), PAINTS, on_paper(outlined(RED, CREAM)))
    assert (flat[50:150, 60:88] == RED).all()
    assert (flat[50:150, 102:130] == CREAM).all()
    assert (flat[:30] == 255).all()


def test_ink_stays_and_its_edge_is_soft() -> None:
    picture = outlined(RED, BLUE)
    flat = flatten(cv2.GaussianBlur(picture, (0, 0), 0.8), PAINTS, on_paper(picture))
    dark = np.linalg.norm(flat.astype(float) - INK, axis=2)
    assert (dark[41:43, 60:130] < 40).all()
    between = flat[100, 46:58, 0]
    assert len(np.unique(between)) >= 4


def test_scenery_and_what_is_held_stay_to_the_pixel() -> None:
    picture = clouded(outlined(RED, BLUE))
    figure = np.zeros((192, 192), bool)
    figure[40:160, 50:140] = True
    picture[:, 150:] = (90, 200, 120)
    held = np.zeros_like(figure)
    flat = flatten(picture, PAINTS, Ground(figure, held, None))
    assert np.array_equal(flat[:, 144:], picture[:, 144:])
    assert (flat[50:150, 60:88] == RED).all()
    held[:] = True
    assert np.array_equal(flatten(picture, PAINTS, Ground(figure, held, None)), picture)


def test_a_colour_that_the_character_does_not_have_stays() -> None:
    green = outlined((30, 200, 60), (30, 200, 60))
    flat = flatten(green, PAINTS, on_paper(green))
    assert (flat[60:140, 70:120] == (30, 200, 60)).all()


@pytest.mark.parametrize("seed", [31, 35, 38])
def test_heroes_get_nearer_to_their_true_colours(seed: int) -> None:
    of = hero(seed)
    paints = find_paints([Drawing(Path(one.filename), one.pixels, one.caption) for one in drawings(of)])
    assert not paints.has_white
    for wish in (Attributes(mood="laughing"), Attributes(framing="portrait")):
        truth = oracle(of, wish, 3).pixels
        mottled, ground = clouded(truth), on_paper(truth)
        flat = flatten(mottled, paints, ground)
        before, after = (
            np.linalg.norm(to_oklab(each) - to_oklab(truth), axis=2)[ground.figure].mean()
            for each in (mottled, flat)
        )
        assert after < 0.85 * before


def test_white_clothes_are_one_of_the_colours_and_eyes_alone_are_not() -> None:
    shirt = [Drawing(Path(), outlined((255, 255, 255), RED), "")]
    assert find_paints(shirt).has_white
    assert not find_paints([Drawing(Path(), outlined(BLUE, RED), "")]).has_white
    flat = flatten(shirt[0].pixels, find_paints(shirt), on_paper(shirt[0].pixels))
    assert (flat[60:140, 60:85] == 255).all()


def with_eyes(eye: tuple[int, int, int]) -> Pixels:
    """A block with two eyes, each a twentieth of it, of which the pupils are larger than lines are thick."""
    pixels = outlined(CREAM, RED)
    for x in (74, 115):
        cv2.circle(pixels, (x, 80), 16, INK, -1, cv2.LINE_AA)
        cv2.circle(pixels, (x, 80), 14, eye, -1, cv2.LINE_AA)
        cv2.circle(pixels, (x, 82), 6, INK, -1, cv2.LINE_AA)
    return pixels


@pytest.mark.parametrize("transparent", [False, True])
def test_white_eyes_of_the_drawings_stay_white_and_their_pupils_black(transparent: bool) -> None:
    drawn = with_eyes((255, 255, 255))
    mask = find_figure(Drawing(Path(), drawn, "")).mask if transparent else None
    paints = find_paints([Drawing(Path(), drawn, "", mask)])
    assert not paints.has_white
    assert 0.03 < paints.white_area < 0.06
    tinted = with_eyes((226, 226, 234))
    flat = flatten(cv2.GaussianBlur(tinted, (0, 0), 0.8), paints, on_paper(tinted))
    assert (flat[71:74, 72:77] == 255).all()
    assert (flat[71:74, 113:118] == 255).all()
    assert np.abs(flat[79:86, 71:78].astype(int) - INK).max() < 30
    assert (flat[110:150, 60:88] == CREAM).all()


def test_pale_areas_larger_than_any_white_of_the_drawings_stay_coloured() -> None:
    paints = find_paints([Drawing(Path(), outlined(CREAM, RED), "")])
    assert paints.white_area == 0
    pale = outlined((246, 240, 226), RED)
    assert (flatten(pale, paints, on_paper(pale))[60:140, 60:85] == CREAM).all()
    # Nor does an eye make white of them.
    eyed = find_paints([Drawing(Path(), with_eyes((255, 255, 255)), ""), Drawing(Path(), pale, "")])
    washed = outlined((232, 236, 250), RED)
    assert (flatten(washed, eyed, on_paper(washed))[60:140, 60:85] < 255).any()


def test_a_large_black_mouth_stays_black() -> None:
    black = np.array((8, 8, 8))
    picture = outlined(BLUE, BLUE)
    cv2.ellipse(picture, (95, 120), (26, 18), 0, 0, 360, (8, 8, 8), -1)
    flat = flatten(clouded(picture), Paints((BLUE, (63, 201, 223)), (8, 8, 8)), on_paper(picture))
    assert np.abs(flat[108:132, 80:110].astype(int) - black).max() < 30


def test_nothing_to_paint_is_no_trouble() -> None:
    white = np.full((64, 48, 3), 255, np.uint8)
    ground = Ground(np.zeros((64, 48), bool), np.zeros((64, 48), bool), (255, 255, 255))
    assert (flatten(white, Paints(()), ground) == 255).all()
    black = np.zeros((64, 48, 3), np.uint8)
    assert flatten(black, PAINTS, Ground(ground.held, ground.held, None)).shape == black.shape
