"""Pasted drawings of development heroes are found, and their new poses are not taken for copies."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.pasting import WAYS, paste
from understudy.domain import Attributes, Drawing, Picture, Scene
from understudy.judges.copying import MOST_DEMANDED, THRESHOLD, CopyingJudge, sum_up_copies
from understudy.judges.puppet import PuppetJudge
from understudy.world.heroes import Hero, drawings, hero, oracle

SEEDS = (5, 31)
NEW_POSES = (
    Attributes(pose="sitting"),
    Attributes(pose="jumping", place="castle"),
    Attributes(pose="running", mood="laughing"),
    Attributes(prop="book", place="woods"),
    Attributes(pose="hands_on_face", mood="sad"),
    Attributes(pose="praying", view="side"),
    Attributes(pose="jumping", view="back", place="sunset"),
    Attributes(prop="ice_cream", framing="portrait"),
)


def drawings_of(of: Hero) -> list[Drawing]:
    return [Drawing(Path(one.filename), one.pixels, one.caption) for one in drawings(of)]


@pytest.fixture(scope="module", params=SEEDS)
def of(request: pytest.FixtureRequest) -> Hero:
    return hero(request.param)


@pytest.fixture(scope="module")
def drawn(of: Hero) -> list[Drawing]:
    return drawings_of(of)


@pytest.fixture(scope="module")
def judge(drawn: list[Drawing]) -> CopyingJudge:
    return CopyingJudge(drawn)


def picture(pixels: np.ndarray) -> Picture:
    return Picture(Scene("x"), pixels)


@pytest.mark.parametrize("way", WAYS)
def test_pasted_drawings_are_found(judge: CopyingJudge, drawn: list[Drawing], way: str, of: Hero) -> None:
    rng = random.Random(f"{of.seed} {way}")
    for number in (0, 2, 3):
        nearest = judge.nearest(picture(paste(drawn[number], way, rng)))
        assert nearest.is_copy
        # The world's front, standing and waving, and its two side views share all but a limb.
        assert nearest.drawing == number or nearest.share > 0.99


def test_new_poses_are_no_copies(judge: CopyingJudge, of: Hero) -> None:
    shares = [judge.nearest(picture(oracle(of, wish, 7).pixels)) for wish in NEW_POSES]
    assert not any(nearest.is_copy for nearest in shares)


def test_another_hero_has_little_in_common(judge: CopyingJudge, of: Hero) -> None:
    other = judge.nearest(picture(oracle(hero(of.seed + 1), Attributes(), 7).pixels))
    assert other.share < 0.8


def test_a_portraits_head_on_a_new_body_is_no_copy_but_the_portrait_pasted_in_is() -> None:
    of = hero(5)
    portrait = CopyingJudge(drawings_of(of)[2:3])
    whole = Attributes(pose="running", mood="smiling")
    assert not portrait.nearest(picture(oracle(of, whole, 3).pixels)).is_copy
    small = paste(drawings_of(of)[2], "moved and scaled", random.Random(2))
    assert portrait.nearest(picture(small)).is_copy


@pytest.mark.parametrize("seed", [303, 309])
def test_a_drawn_portrait_with_an_arm_and_a_thing_to_hold_is_no_copy(seed: int) -> None:
    of = hero(seed)
    drawn = drawings_of(of)
    judge = CopyingJudge(drawn, PuppetJudge().find_held)
    portrait = Attributes(framing="portrait", mood="smiling", prop="sandwich")
    for wish in (portrait, replace(portrait, place="castle")):
        nearest = judge.nearest(picture(oracle(of, wish, 7).pixels))
        assert nearest.share > 0.9
        assert not nearest.is_copy
    castle = paste(drawn[2], "in another place", random.Random(1))
    assert judge.nearest(picture(castle)).is_copy


def test_drawings_that_are_alike_ask_for_more(judge: CopyingJudge, drawn: list[Drawing]) -> None:
    assert THRESHOLD <= judge.bar <= MOST_DEMANDED
    twice = CopyingJudge([drawn[0], drawn[0]])
    assert twice.bar == MOST_DEMANDED
    assert twice.nearest(picture(drawn[0].pixels)).is_copy


def test_odd_sizes_one_drawing_and_no_ink_are_no_trouble() -> None:
    random_pixels = np.random.default_rng(0).integers(0, 256, (70, 130, 3), dtype=np.uint8)
    noise = CopyingJudge([Drawing(Path("a.png"), random_pixels, "")])
    assert noise.nearest(picture(random_pixels)).is_copy
    white = np.full((64, 48, 3), 255, np.uint8)
    assert not noise.nearest(picture(white)).is_copy
    assert 0 <= CopyingJudge([Drawing(Path("a.png"), white, "")]).nearest(picture(random_pixels)).share <= 1


def test_the_share_of_copies_has_an_interval() -> None:
    measure = sum_up_copies([True, False, False, False])["copying"]
    assert (measure.value, measure.n) == (0.25, 4)
    assert measure.low is not None
    assert measure.high is not None
    assert measure.low < 0.25 < measure.high
    assert measure.says == "1 of 4 pictures show a drawing's figure again, line on line."
    assert sum_up_copies([]) == {}
