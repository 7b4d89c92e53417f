"""Random characters for judge and base: the world's own, and stranger ones with shapes of no kind.

A stranger is data, so that a variant of it (variants.py) differs in one thing. No hero's code is used here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from understudy.pretrain.ornaments import ANCHORS, Ornament, ornament_parts
from understudy.pretrain.random_heads import WIDE, random_head
from understudy.world import parts
from understudy.world.canvas import Colour
from understudy.world.characters import HeadShape, sample_traits
from understudy.world.palette import RGB, SKIN, shade
from understudy.world.puppet import Look, Part
from understudy.world.shapes import random_colour
from understudy.world.vocabulary import TRAITS

HEADS = TRAITS["head"]
CLEARLY = 90  # two colours differ clearly where their channels do by this much in sum


@dataclass(frozen=True)
class Piece:
    """Something a stranger wears or has: `family` says who draws it, `style` and `seed` how.

    A rich ornament has several colours and something drawn in it, as `inside` says, a seed too.
    """

    family: str
    style: str
    colour: Colour
    seed: int = 0
    size: float = 1.0
    inside: int | None = None


@dataclass(frozen=True)
class Stranger:
    """All that tells a random character from another. `head` is one of HEADS or the seed of a random outline.

    `colours` are those of head, torso, arms, hands, legs and feet; those of equal colour are one part.
    """

    kind: str
    head: str
    colours: tuple[Colour, ...]
    outfit: str
    eyes: str
    pieces: tuple[Piece, ...]

    def look(self) -> Look:
        """What the puppet needs to be painted."""
        head, torso, arm, hand, leg, foot = self.colours
        shown = [part for piece in self.pieces for part in _parts_of(piece, head)]
        return Look(
            head=HeadShape(self.head) if self.head in HEADS else random_head(self.head),
            head_colour=head,
            torso_colour=torso,
            arm_colour=arm,
            hand_colour=hand,
            leg_colour=leg,
            foot_colour=foot,
            outfit=self.outfit,
            parts=tuple(shown),
            eyes=self.eyes,
            blush=self.kind != "robot",
        )


@dataclass(frozen=True)
class Mixture:
    """Shares of strangers: `plain` ones are the world's own; of the others `free` ones have any colours and
    `headed` ones a head of their own. They wear one of `ornaments` many."""

    plain: float
    free: float
    headed: float
    ornaments: tuple[int, ...]
    rich: float = 0.0


FOR_JUDGE = Mixture(0.25, 0.5, 0.4, (1, 1, 2, 2, 3, 4), rich=0.5)
FOR_BASE = Mixture(0.0, 0.85, 0.7, (1, 2, 2, 3, 3, 4, 5), rich=0.6)
"""Its own characters are among its pictures anyway, and a user's have neither its heads nor its colours."""


def _parts_of(piece: Piece, skin: Colour) -> tuple[Part, ...]:
    match piece.family:
        case "hair":
            return parts.hair(piece.style, piece.colour)
        case "ears":
            return parts.ears(piece.style, piece.colour)
        case "topknot":
            return parts.topknot(piece.style, piece.colour)
        case "pattern":
            return parts.pattern(piece.style, piece.colour)
        case "accessory":
            return parts.accessory(piece.style, piece.colour)
        case "tail":
            return parts.tail(piece.colour)
        case "muzzle":
            return parts.muzzle(piece.style)
        case _:
            return ornament_parts(Ornament(piece.style, piece.colour, piece.seed, piece.size, piece.inside))


def distance(first: Colour, second: Colour) -> int:
    """How far apart two colours are: the channels' differences in sum."""
    return sum(abs(a - b) for a, b in zip(first, second, strict=True))


def another_colour(rng: random.Random, *others: Colour) -> Colour:
    """A colour that differs clearly from the others: one of the world's, or any."""
    while True:
        colour = rng.choice(list(RGB.values())) if rng.random() < 0.6 else random_colour(rng)
        if all(distance(colour, other) > CLEARLY for other in others):
            return colour


def sample_stranger(rng: random.Random, mixture: Mixture = FOR_JUDGE) -> Stranger:
    """Draw a character: the world's own, or one that wears ornaments and may have a head of its own."""
    traits = sample_traits(rng)
    kind, outfit = traits["kind"], traits["outfit"]
    plain = rng.random() < mixture.plain
    free = not plain and rng.random() < mixture.free
    skin = SKIN[traits["skin"]] if "skin" in traits else RGB[traits["coat"]]
    if free and "coat" in traits:
        skin = another_colour(rng, (38, 33, 43))
    top = skin if outfit == "none" else another_colour(rng, skin) if free else RGB[traits["top_colour"]]
    bottom = skin
    if "bottom_colour" in traits:
        bottom = another_colour(rng, top) if free else RGB[traits["bottom_colour"]]
    bare = outfit == "none" or (kind == "girl" and outfit == "dress")
    human = kind in ("girl", "boy")
    foot = rng.choice([RGB["brown"], RGB["black"], RGB["red"]]) if human else shade(bottom, 0.25)
    if free and rng.random() < 0.3:
        foot = another_colour(rng, bottom)
    arm = skin if bare else top
    if rng.random() < mixture.rich / 2:
        arm = another_colour(rng, top)
    hand = another_colour(rng, skin) if free and rng.random() < 0.15 else skin
    pieces = _world_pieces(rng, traits, skin, top, free)
    head = traits.get("head", "round")
    if not plain:
        pieces = [piece for piece in pieces if piece.family in ("muzzle", "tail") or rng.random() < 0.6]
        pieces += [
            random_ornament(rng, skin, top, rich=mixture.rich) for _ in range(rng.choice(mixture.ornaments))
        ]
        if rng.random() < mixture.headed:
            head = (WIDE if rng.random() < mixture.rich else "") + str(rng.randrange(1 << 30))
    eyes = rng.choice(("round", "round", "dot"))
    return Stranger(kind, head, (skin, top, arm, hand, bottom, foot), outfit, eyes, tuple(pieces))


def _world_pieces(
    rng: random.Random, traits: dict[str, str], skin: Colour, top: Colour, free: bool
) -> list[Piece]:
    pieces = []
    if traits["kind"] == "cat":
        pieces.append(Piece("tail", "", skin))
    if traits.get("ears", "none") != "none":
        pieces.append(Piece("ears", traits["ears"], skin))
    if traits["kind"] in ("cat", "robot"):
        pieces.append(Piece("muzzle", traits["kind"], skin))
    if "hair_style" in traits:
        colour = another_colour(rng, skin) if free else RGB[traits["hair_colour"]]
        pieces.append(Piece("hair", traits["hair_style"], colour))
    if traits.get("topknot", "none") != "none":
        pieces.append(Piece("topknot", traits["topknot"], another_colour(rng, skin)))
    if traits.get("pattern", "plain") != "plain":
        colour = another_colour(rng, top) if free else shade(top, -0.55)
        pieces.append(Piece("pattern", traits["pattern"], RGB["grey"] if top == RGB["white"] else colour))
    if traits["accessory"] != "none":
        pieces.append(Piece("accessory", traits["accessory"], another_colour(rng, skin, top)))
    return pieces


def random_ornament(rng: random.Random, *against: Colour, rich: float = 0.0) -> Piece:
    """A shape or pattern of no kind, somewhere on it, in a colour that shows; rich with that chance."""
    anchor, colour, seed = rng.choice(ANCHORS), another_colour(rng, *against), rng.randrange(1 << 30)
    size, is_rich = rng.uniform(0.8, 1.25), rng.random() < rich
    return Piece("ornament", anchor, colour, seed, size, seed if is_rich else None)
