"""A scene of the world: what is in it (attributes), who (a look), painted with its exact truth."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from understudy.domain import Attributes, Pixels
from understudy.world.canvas import SIZE, Canvas
from understudy.world.poses import HEAD_CENTRE
from understudy.world.puppet import Look, paint_puppet
from understudy.world.scenery import paint_place, paint_shadow
from understudy.world.vocabulary import MOODS, PLACES, POSES, PROPS

PORTRAIT_SCALE = 1.55
PORTRAIT_CENTRE = (96.0, 106.0)


@dataclass(frozen=True)
class Painted:
    """A painted scene: pixels (192, 192, 3), part map (192, 192) of indices into canvas.PARTS, key points."""

    pixels: Pixels
    parts: Pixels
    points: dict[str, tuple[float, float]]


def paint(look: Look, wish: Attributes, seed: int = 0, canvas: Canvas | None = None) -> Painted:
    """Paint a scene, every attribute but the kind said; `seed` moves scenery and figure a little.

    A `canvas` of one's own sees every stroke: the same seed puts everything in the same place.
    """
    rng = random.Random(seed)
    canvas = canvas or Canvas(SIZE)
    place = wish.place or "paper"
    paint_place(canvas, place, rng)
    middle = 96.0 + rng.uniform(-2, 2)
    if wish.framing == "portrait":
        centre = (PORTRAIT_CENTRE[0] + rng.uniform(-2, 2), PORTRAIT_CENTRE[1] + rng.uniform(-2, 2))
        canvas.place(PORTRAIT_SCALE, centre, (middle, HEAD_CENTRE[1]))
    else:
        canvas.place(1.0, (0.0, rng.uniform(-1.5, 1.5)), (0.0, 0.0))
        paint_shadow(canvas, place, middle)
    points = paint_puppet(canvas, look, wish, middle)
    pixels, parts = canvas.finish()
    return Painted(pixels, parts, points)


def sample_attributes(rng: random.Random, kind: str) -> Attributes:
    """Draw what a training scene shows: more than half on white paper, most of them from the front."""
    view = rng.choices(("front", "side", "back"), (6, 3, 2))[0]
    framing = "portrait" if rng.random() < 0.15 else "full_body"
    pose = rng.choice(POSES)
    prop = rng.choice(PROPS[1:]) if pose == "holding" else "none"
    place = "paper" if rng.random() < 0.5 else rng.choice(PLACES[1:])
    wish = Attributes(
        kind=kind,
        view=view,
        framing=framing,
        pose=pose,
        mood=rng.choice(MOODS),
        gaze="up" if rng.random() < 0.2 else "ahead",
        prop=prop,
        place=place,
    )
    return possible(wish)


def possible(wish: Attributes) -> Attributes:
    """The nearest scene that can be seen: a portrait shows no legs, a back hides face and held things."""
    if wish.framing == "portrait" and wish.pose in ("sitting", "walking", "running", "jumping"):
        wish = replace(wish, pose="standing")
    if wish.view == "back":
        wish = replace(wish, mood="neutral", gaze="ahead")
        if wish.pose in ("praying", "hands_on_face", "holding"):
            wish = replace(wish, pose="standing", prop="none")
    if wish.framing == "portrait" and wish.prop == "book":
        wish = replace(wish, prop="ice_cream")
    return wish
