"""Recipes of heroes drawn at random, and recipes that differ from another in one part."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from understudy.world.hero_heads import SHAPES, TIPPED
from understudy.world.hero_parts import COLOURS, FAMILIES, Piece, Recipe

# Ink lines must show on what carries a face: no dark colours.
COATS = tuple(
    name for name in COLOURS if name not in ("navy", "plum", "cobalt", "crimson", "chestnut", "violet")
)
LIGHT = tuple(name for name in COATS if name not in ("leaf", "magenta"))
# Ink lines must show on an ornament as well.
VIVID = tuple(name for name in COLOURS if name not in ("navy", "plum"))
# Distances in CIE Lab between parts that touch, between a part and its accent, and of a recolouring.
TOUCHING, ACCENT, RECOLOURED = 40.0, 45.0, 60.0
# Shapes and families that look alike are not swapped for one another.
_ALIKE_GROUPS = """
gumdrop pear pot onion | onion wisp | star scallop heart | hexagon lemon shield heart | hexagon pot bean
bean pear | discs ram_horns | sprout tulip | flame tulip crystals | horn crystals | antlers star_stalks
fins head_wings | mushroom cloud | cheek_stars cheek_spirals gem | patch diamonds face_heart
target spiral_belly diamond_emblem | star_emblem heart_emblem bolt_emblem | zigzag chevrons | checks scales
petal_skirt puff | ruff spike_collar | butterfly_wings bat_wings | arrow_tail zigzag_tail
turtle_shell bedroll
"""
_ALIKE = tuple(
    frozenset(group.split()) for line in _ALIKE_GROUPS.strip().split("\n") for group in line.split("|")
)


def _alike(first: str, second: str) -> bool:
    return first == second or any({first, second} <= group for group in _ALIKE)


@cache
def distance(first: str, second: str) -> float:
    """How different two colours look: Euclidean in CIE Lab (D65), 2.3 being just noticeable."""
    return float(np.linalg.norm(_lab(first) - _lab(second)))


@cache
def _lab(name: str) -> NDArray[np.float64]:
    rgb = np.asarray(COLOURS[name]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(to_xyz @ linear / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)], np.float64)


def _pick(
    rng: random.Random, away: Sequence[str], least: float, among: Sequence[str] = tuple(COLOURS)
) -> str:
    """A colour that differs from all in `away`; the most different one if none does enough."""
    far = [name for name in among if all(distance(name, other) >= least for other in away)]
    return rng.choice(far) if far else max(among, key=lambda name: min(distance(name, o) for o in away))


_SLOTS = (
    ("face", "torso"),
    ("face", "back"),
    ("torso", "back"),
    ("torso", "wear"),
    ("face", "wear"),
    ("back", "wear"),
)


def sample_recipe(rng: random.Random) -> Recipe:
    """Draw a hero's recipe: a head, an ornament on it and two more pieces in their own colours."""
    head = rng.choice(SHAPES)
    coat = rng.choice(COATS)
    body = _pick(rng, [coat], TOUCHING)
    limbs = _pick(rng, [body, coat], 30)
    recipe = Recipe(
        head=head,
        coat=coat,
        body=body,
        arms=rng.choice([coat, body, limbs]),
        legs=rng.choice([coat, limbs]),
        feet=_pick(rng, [limbs, coat, body], 30),
        eyes=rng.choice(("round", "round", "dot")),
        pieces=(),
    )
    # Four things to know it by, the head among them: a comic character is drawn hundreds of times.
    for slot in ("ornament", *rng.choice(_SLOTS)):
        recipe = replace(recipe, pieces=(*recipe.pieces, _sample_piece(rng, recipe, slot)))
    return recipe


def _sample_piece(rng: random.Random, recipe: Recipe, slot: str, avoid: str = "") -> Piece:
    family = rng.choice(
        [name for name in FAMILIES[slot] if not _alike(name, avoid) and _suits(recipe, slot, name)]
    )
    colour = _piece_colour(rng, recipe, slot)
    touched = recipe.coat if slot == "face" else colour
    return Piece(
        slot,
        family,
        colour,
        _pick(rng, [colour, touched], ACCENT, _palette(slot)),
    )


def _palette(slot: str) -> Sequence[str]:
    return {"face": LIGHT, "ornament": VIVID}.get(slot, tuple(COLOURS))


def _piece_colour(rng: random.Random, recipe: Recipe, slot: str, old: str | None = None) -> str:
    """A colour that stands out against what the piece touches, and clearly differs from `old`."""
    away = {"ornament": [recipe.coat], "face": [recipe.coat], "torso": [recipe.body, recipe.arms]}.get(
        slot, [recipe.body, recipe.legs, recipe.arms]
    )
    among = [name for name in _palette(slot) if name not in away]
    if old is not None:
        among = [name for name in among if distance(name, old) >= RECOLOURED] or [
            max(among, key=lambda name: distance(name, old))
        ]
    return _pick(rng, away, TOUCHING, among)


def _suits(recipe: Recipe, slot: str, family: str) -> bool:
    """Whether a family goes with the rest: nothing tall on a tip, no gem under a cap."""
    if slot == "ornament":
        tall = FAMILIES[slot][family].tall
        return not (tall and (recipe.head in TIPPED or any(piece.family == "gem" for piece in recipe.pieces)))
    if family == "gem":
        return not any(FAMILIES[p.slot][p.family].tall for p in recipe.pieces)
    return True


def change_one(recipe: Recipe, rng: random.Random) -> tuple[Recipe, str, str]:
    """The recipe with exactly one distinguishing part recoloured, swapped or removed; which one, and how."""
    slot = rng.choice(["head", *(piece.slot for piece in recipe.pieces)])
    if slot == "head":
        return _change_head(recipe, rng)
    old = next(piece for piece in recipe.pieces if piece.slot == slot)
    how = rng.choice(("recoloured", "swapped", "removed"))
    rest = replace(recipe, pieces=tuple(piece for piece in recipe.pieces if piece is not old))
    new = None
    if how == "recoloured":
        new = replace(old, colour=_piece_colour(rng, recipe, slot, old.colour))
        if distance(new.accent, new.colour) < 25:
            new = replace(new, accent=_pick(rng, [new.colour, recipe.coat], ACCENT, _palette(slot)))
    elif how == "swapped":
        swapped = _sample_piece(rng, rest, slot, old.family)
        new = replace(swapped, colour=old.colour, accent=old.accent)
    pieces = tuple(new if piece is old else piece for piece in recipe.pieces)
    changed = replace(recipe, pieces=tuple(piece for piece in pieces if piece is not None))
    return changed, slot, how


def _change_head(recipe: Recipe, rng: random.Random) -> tuple[Recipe, str, str]:
    if rng.random() < 0.5:
        touched = [piece.colour for piece in recipe.pieces if piece.slot in ("ornament", "face")]
        clear = [name for name in COATS if distance(name, recipe.coat) >= RECOLOURED]
        coat = _pick(rng, [*touched, recipe.body], 30, clear)
        return replace(recipe, coat=coat), "head", "recoloured"
    tall = any(FAMILIES[piece.slot][piece.family].tall for piece in recipe.pieces)
    shapes = [shape for shape in SHAPES if not _alike(shape, recipe.head) and not (tall and shape in TIPPED)]
    return replace(recipe, head=rng.choice(shapes)), "head", "swapped"
