"""Scenes: the same from the same seed, anti-aliased, and true to what they say."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from understudy.domain import Attributes
from understudy.world.canvas import PART_INDEX, Canvas, ellipse
from understudy.world.characters import look_of, sample_traits
from understudy.world.scenes import paint, possible, sample_attributes
from understudy.world.vocabulary import CHOICES, MOODS, PLACES, POSES, PROPS, VIEWS

PLAIN = Attributes(
    kind="cat",
    view="front",
    framing="full_body",
    pose="standing",
    mood="neutral",
    gaze="ahead",
    prop="none",
    place="paper",
)
CAT = look_of(sample_traits(random.Random(4), "cat"))


def differing(one: Attributes, other: Attributes) -> int:
    first, second = paint(CAT, one).pixels.astype(int), paint(CAT, other).pixels.astype(int)
    return int((np.abs(first - second).max(axis=2) > 40).sum())


def test_the_same_seed_paints_the_same_picture() -> None:
    first, again, moved = paint(CAT, PLAIN, 1), paint(CAT, PLAIN, 1), paint(CAT, PLAIN, 2)
    assert (first.pixels == again.pixels).all()
    assert first.points == again.points
    assert (first.pixels != moved.pixels).any()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("pose", [pose for pose in POSES if pose != "holding"]),
        ("mood", MOODS),
        ("place", PLACES),
        ("view", VIEWS),
    ],
)
def test_every_two_values_look_different(name: str, values: list[str]) -> None:
    for index, one in enumerate(values):
        for other in values[:index]:
            assert differing(replace(PLAIN, **{name: one}), replace(PLAIN, **{name: other})) > 40, (
                one,
                other,
            )


def test_looking_up_and_each_prop_show() -> None:
    assert differing(PLAIN, replace(PLAIN, gaze="up")) > 40
    holding = [replace(PLAIN, pose="holding", prop=prop) for prop in PROPS if prop != "none"]
    for number, wish in enumerate(holding):
        assert (paint(CAT, wish).parts == PART_INDEX["prop"]).sum() > 150
        assert all(differing(wish, other) > 150 for other in holding[:number])


def test_edges_are_smooth() -> None:
    canvas = Canvas(64)
    canvas.fill(ellipse((32, 32), 20, 20), (0, 0, 0), "body", ink=0)
    pixels, parts = canvas.finish()
    between = (pixels > 20) & (pixels < 235)
    assert 30 < between[..., 0].sum() < 300
    assert (parts == PART_INDEX["body"]).sum() == pytest.approx(np.pi * 400, rel=0.03)


def test_key_points_lie_on_their_parts() -> None:
    for seed in range(30):
        rng = random.Random(seed)
        traits = sample_traits(rng)
        wish = replace(sample_attributes(rng, traits["kind"]), framing="full_body", view="front", prop="none")
        wish = replace(wish, pose="standing")
        painted = paint(look_of(traits), wish, seed)
        x, y = painted.points["left_hand"]
        assert painted.parts[round(y), round(x)] == PART_INDEX["arm"]


def test_sampled_scenes_can_be_seen_and_cover_the_vocabulary() -> None:
    met: dict[str, set[str]] = {name: set() for name in CHOICES}
    for seed in range(800):
        rng = random.Random(seed)
        wish = sample_attributes(rng, sample_traits(rng)["kind"])
        assert possible(wish) == wish
        assert (wish.prop != "none") == (wish.pose == "holding")
        for name, value in wish.said().items():
            met[name].add(value)
    assert met == {name: set(values) for name, values in CHOICES.items()}
