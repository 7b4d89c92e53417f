"""Strangers: rich ornaments have several colours within their outline, each from its seed alone."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from understudy.domain import Attributes
from understudy.pretrain.finery import decorate, rich_colours
from understudy.pretrain.random_heads import WIDE, random_head
from understudy.pretrain.strangers import FOR_BASE, FOR_JUDGE, sample_stranger
from understudy.pretrain.variants import variant
from understudy.world.canvas import Canvas, superellipse
from understudy.world.heroes import wished
from understudy.world.scenes import paint

SEEDS = range(60)


def test_a_decoration_stays_within_its_outline_and_shows() -> None:
    shown = 0
    for seed in SEEDS:
        canvas = Canvas()
        outline = superellipse((96.0, 96.0), 30.0, 20.0, 4.0)
        canvas.fill(outline, (200, 30, 30), "ornament", 0)
        plain, parts = canvas.finish()
        rng = random.Random(seed)
        decorate(canvas, rng, outline, rich_colours(rng, (200, 30, 30)))
        decorated, _ = canvas.finish()
        differs = (decorated != plain).any(axis=2)
        shown += differs.sum() > 40
        rim = np.argwhere(differs)
        inside = (np.abs(rim[:, 1] - 96) <= 31) & (np.abs(rim[:, 0] - 96) <= 21)
        assert inside.all(), seed
        assert (parts == parts.max()).sum() > 1000
    assert shown >= 0.9 * len(SEEDS)


def test_the_bases_strangers_are_as_rich_as_their_mixture_says() -> None:
    made = [sample_stranger(random.Random(seed), FOR_BASE) for seed in SEEDS]
    ornaments = [piece for stranger in made for piece in stranger.pieces if piece.family == "ornament"]
    share = sum(piece.inside is not None for piece in ornaments) / len(ornaments)
    assert share == pytest.approx(FOR_BASE.rich, abs=0.12)
    assert any(stranger.head.startswith(WIDE) for stranger in made)


def test_what_a_rich_ornament_holds_can_change_alone() -> None:
    found = 0
    for seed in range(400):
        stranger = sample_stranger(random.Random(seed), FOR_JUDGE)
        other = variant(stranger, random.Random(seed))
        if len(other.pieces) != len(stranger.pieces):
            continue
        pairs = zip(stranger.pieces, other.pieces, strict=True)
        changed = [(one, two) for one, two in pairs if one != two]
        if [(replace(one, inside=two.inside)) for one, two in changed] != [two for _, two in changed]:
            continue
        found += bool(changed)
    assert found > 10


def test_a_strangers_picture_is_the_same_again() -> None:
    scene = wished(Attributes(pose="running", place="castle"))
    for seed in range(8):
        first, second = (
            paint(sample_stranger(random.Random(seed), FOR_BASE).look(), scene, seed) for _ in range(2)
        )
        assert np.array_equal(first.pixels, second.pixels)


def test_wide_heads_are_farther_from_a_circle() -> None:
    def spread(seed: str) -> float:
        radius = np.hypot(*random_head(seed)("front").T)
        return float(radius.std() / radius.mean())

    usual = np.mean([spread(str(seed)) for seed in SEEDS])
    wide = np.mean([spread(f"{WIDE}{seed}") for seed in SEEDS])
    assert wide > 1.3 * usual
