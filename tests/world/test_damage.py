"""Damaged pictures: what is said to differ does, and the same seed damages the same."""

from __future__ import annotations

import random

import numpy as np
import pytest

from understudy.domain import Attributes
from understudy.world.canvas import PART_INDEX
from understudy.world.characters import look_of, sample_traits
from understudy.world.damage import DAMAGES, VISIBLE_PIXELS, damaged, spoil, suited, visible
from understudy.world.puppet import Look
from understudy.world.scenes import paint

WAVING = Attributes("girl", "front", "full_body", "waving", "smiling", "ahead", "none", "paper")


@pytest.fixture(scope="module")
def look() -> Look:
    return look_of(sample_traits(random.Random(4), "girl"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_shows(look: Look, damage: str) -> None:
    whole = paint(look, WAVING, 5)
    tries = [spoil(look, WAVING, whole, damage, random.Random(turn), 5) for turn in range(4)]
    counts = [int(visible(whole.pixels, pixels).sum()) for pixels in tries]
    assert max(counts) >= VISIBLE_PIXELS
    assert whole.pixels.shape == tries[0].shape
    assert {pixels.dtype for pixels in tries} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("part", ["eye", "arm", "leg"])
def test_a_missing_part_leaves_fewer_pixels_of_it(look: Look, part: str) -> None:
    whole = paint(look, WAVING, 5)
    missing = spoil(look, WAVING, whole, f"missing_{part}", random.Random(0), 5)
    where = visible(whole.pixels, missing)
    # Most of what changed showed that part before.
    assert (whole.parts[where] == PART_INDEX[part]).mean() > 0.6


def test_truth_is_where_the_pictures_differ(look: Look) -> None:
    for seed in range(6):
        found = damaged(look, WAVING, seed)
        assert found is not None
        assert found.damage in DAMAGES
        whole = paint(look, WAVING, seed).pixels
        assert (found.where == visible(whole, found.pixels)).all()
        assert found.where.sum() >= VISIBLE_PIXELS


def test_the_same_seed_damages_the_same(look: Look) -> None:
    first, again, other = (damaged(look, WAVING, seed) for seed in (8, 8, 9))
    assert first is not None
    assert again is not None
    assert other is not None
    assert (first.pixels == again.pixels).all()
    assert first.damage == again.damage
    assert (first.pixels != other.pixels).any()


def test_what_cannot_be_seen_is_not_damaged() -> None:
    back = suited(Attributes("girl", "back", "full_body", "standing", "neutral", "ahead", "none", "paper"))
    assert not any("eye" in name or "face" in name for name in back)
    side = suited(Attributes("girl", "side", "full_body", "standing", "neutral", "ahead", "none", "paper"))
    assert "missing_arm" not in side
    portrait = suited(
        Attributes("girl", "front", "portrait", "standing", "neutral", "ahead", "none", "paper")
    )
    assert not any("leg" in name for name in portrait)
