"""Heroes: characters made of parts that no training character has, and the oracle that draws them.

Seeds 0 to 999 are for development; seeds from 1000 on are for judging only and are never looked at.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np

from understudy.domain import Attributes, Pixels
from understudy.world.hero_parts import ALL, Piece, Recipe, look_of
from understudy.world.hero_recipes import change_one, sample_recipe
from understudy.world.names import invent_name
from understudy.world.puppet import Look
from understudy.world.scenes import Painted, paint, possible

# From how many of the 36,864 pixels on a difference between two heroes counts as seen.
SEEN = 80


@dataclass(frozen=True)
class Change:
    """How a variant differs from its hero.

    `slot` is "head" or one of hero_parts.FAMILIES; `how` is "recoloured", "swapped" or "removed"; `views` are
    those in which a full body that stands still shows it, `portrait_views` those in which a portrait does.
    """

    slot: str
    how: str
    views: tuple[str, ...]
    portrait_views: tuple[str, ...]


@dataclass(frozen=True)
class Hero:
    """A character: what it is made of, its look, and for a variant how it differs from the original."""

    seed: int
    name: str
    noun: str
    look: Look
    recipe: Recipe
    changed: Change | None = None


class HeroDrawing(NamedTuple):
    """One of a hero's drawings: `pixels` is (192, 192, 3), `caption` leaves the name out."""

    filename: str
    pixels: Pixels
    caption: str
    attributes: Attributes


def hero(seed: int) -> Hero:
    """The hero of a seed, always the same."""
    rng = random.Random(f"hero {seed}")
    recipe = sample_recipe(rng)
    return Hero(seed, invent_name(rng), rng.choice(("character", "creature")), look_of(recipe), recipe)


def variant(original: Hero, rng: random.Random) -> Hero:
    """A hard negative: the hero with exactly one distinguishing part recoloured, swapped or removed.

    The change always shows in a front view; a pose or a prop may still hide it, see `difference`.
    """
    while True:
        recipe, slot, how = change_one(original.recipe, rng)
        other = replace(original, look=look_of(recipe), recipe=recipe)
        views = _views_that_show(original, other, "full_body")
        if "front" in views:
            change = Change(slot, how, views, _views_that_show(original, other, "portrait"))
            return replace(other, changed=change)


def _views_that_show(original: Hero, other: Hero, framing: str) -> tuple[str, ...]:
    wishes = {view: Attributes(view=view, framing=framing) for view in ALL}
    return tuple(view for view in ALL if difference(original, other, wishes[view]) >= SEEN)


def wished(wish: Attributes) -> Attributes:
    """The wish with all that it leaves open filled in, made possible to see."""
    pose = "holding" if wish.prop not in (None, "none") else "standing"
    open_ones = Attributes(
        kind=None,
        view="front",
        framing="full_body",
        pose=pose,
        mood="neutral",
        gaze="ahead",
        prop="ice_cream" if wish.pose == "holding" else "none",
        place="paper",
    )
    filled = {
        f.name: getattr(open_ones, f.name) if getattr(wish, f.name) is None else getattr(wish, f.name)
        for f in fields(Attributes)
    }
    return possible(Attributes(**filled))


def oracle(of: Hero, wish: Attributes, seed: int = 0) -> Painted:
    """The true picture of a hero in a scene; `seed` moves scenery and figure a little."""
    return paint(of.look, wished(wish), seed)


# filename, caption, and what the drawing shows beside the caption's own words.
_DRAWINGS: tuple[tuple[str, str, Attributes], ...] = (
    ("front-standing.png", "standing, front view", Attributes(view="front", pose="standing", mood="neutral")),
    (
        "front-waving.png",
        "waving, smiling, front view",
        Attributes(view="front", pose="waving", mood="smiling"),
    ),
    (
        "front-portrait.png",
        "portrait, smiling, front view",
        Attributes(view="front", framing="portrait", pose="standing", mood="smiling"),
    ),
    ("side-walking.png", "walking, side view", Attributes(view="side", pose="walking", mood="neutral")),
    ("side-standing.png", "standing, sad, side view", Attributes(view="side", pose="standing", mood="sad")),
    ("back-standing.png", "standing, back view", Attributes(view="back", pose="standing")),
)


def drawings(of: Hero) -> tuple[HeroDrawing, ...]:
    """The six drawings of the study: three front, two side, one back; one of them a portrait; white paper."""
    made = []
    for index, (filename, caption, wish) in enumerate(_DRAWINGS):
        shown = wished(wish)
        made.append(HeroDrawing(filename, oracle(of, wish, 100 * of.seed + index).pixels, caption, shown))
    return tuple(made)


def difference(first: Hero, second: Hero, wish: Attributes, seed: int = 0) -> int:
    """In how many pixels the two heroes' pictures of one scene clearly differ (by more than 40 of 255)."""
    one, two = (oracle(of, wish, seed).pixels.astype(np.int16) for of in (first, second))
    return int((np.abs(one - two).max(axis=2) > 40).sum())


def _example() -> Hero:
    recipe = Recipe(
        head="gumdrop",
        coat="coral",
        body="navy",
        arms="navy",
        legs="aqua",
        feet="gold",
        eyes="round",
        pieces=(
            Piece("ornament", "cloud", "cream", "gold"),
            Piece("face", "cheek_spirals", "rose", "crimson"),
            Piece("torso", "zigzag", "gold", "cream"),
            Piece("back", "wind_up_key", "gold", "aqua"),
        ),
    )
    return Hero(0, "Nuvimo", "character", look_of(recipe), recipe)


EXAMPLE = _example()
