"""Random characters for judge and base: the world's own, and stranger ones with shapes of no kind.

A stranger is data, so that a variant of it differs in exactly one thing. No hero's code is used here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from understudy.pretrain.ornaments import ANCHORS, WIDE, Ornament, ornament_parts, random_head
from understudy.world import parts
from understudy.world.canvas import Colour
from understudy.world.characters import KIND_TRAITS, HeadShape, sample_traits
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


def variant(stranger: Stranger, rng: random.Random) -> Stranger:
    """The same character but for one thing: recoloured, swapped, removed, resized, added, or something else in
    it, or a head reshaped.

    The change may not be seen in every scene.
    """
    changes: list[tuple[float, Callable[[Stranger, random.Random], Stranger]]] = [
        (2.0, _recolour_body),
        (0.7, _reshape_head),
        (0.6, _add_piece),
        (0.25, _other_eyes),
    ]
    worn = [piece for piece in stranger.pieces if piece.family != "muzzle"]
    if worn:
        changes += [(2.5, _recolour_piece), (2.0, _swap_piece), (2.0, _remove_piece), (0.7, _resize_piece)]
    if any(piece.inside is not None for piece in worn):
        changes.append((1.5, _redecorate_piece))
    weights = [weight for weight, _ in changes]
    return rng.choices([change for _, change in changes], weights)[0](stranger, rng)


def _recolour_body(stranger: Stranger, rng: random.Random) -> Stranger:
    """One colour of the body becomes another, wherever it is."""
    old = rng.choice(stranger.colours)
    new = another_colour(rng, *stranger.colours)
    fresh = tuple(new if colour == old else colour for colour in stranger.colours)
    skin = stranger.colours[0]
    worn = tuple(
        replace(piece, colour=new)
        if piece.family in ("ears", "tail") and skin == old == piece.colour
        else piece
        for piece in stranger.pieces
    )
    return replace(stranger, colours=fresh, pieces=worn)


def _reshape_head(stranger: Stranger, rng: random.Random) -> Stranger:
    choices = [head for head in (*HEADS, str(rng.randrange(1 << 30))) if head != stranger.head]
    return replace(stranger, head=rng.choice(choices))


def _other_eyes(stranger: Stranger, rng: random.Random) -> Stranger:
    return replace(stranger, eyes="dot" if stranger.eyes == "round" else "round")


def _add_piece(stranger: Stranger, rng: random.Random) -> Stranger:
    return replace(stranger, pieces=(*stranger.pieces, random_ornament(rng, *stranger.colours[:2], rich=0.5)))


def _pick(stranger: Stranger, rng: random.Random) -> int:
    return rng.choice([at for at, piece in enumerate(stranger.pieces) if piece.family != "muzzle"])


def _with_piece(stranger: Stranger, at: int, *fresh: Piece) -> Stranger:
    return replace(stranger, pieces=(*stranger.pieces[:at], *fresh, *stranger.pieces[at + 1 :]))


def _recolour_piece(stranger: Stranger, rng: random.Random) -> Stranger:
    at = _pick(stranger, rng)
    piece = stranger.pieces[at]
    return _with_piece(stranger, at, replace(piece, colour=another_colour(rng, piece.colour)))


def _swap_piece(stranger: Stranger, rng: random.Random) -> Stranger:
    """Another shape of the same colour in its stead."""
    at = _pick(stranger, rng)
    piece = stranger.pieces[at]
    styles = {
        "hair": KIND_TRAITS["girl"]["hair_style"] + KIND_TRAITS["boy"]["hair_style"],
        "ears": TRAITS["ears"][1:],
        "topknot": TRAITS["topknot"][1:],
        "pattern": TRAITS["pattern"][1:],
        "accessory": TRAITS["accessory"][1:],
    }.get(piece.family, ())
    others = [style for style in styles if style != piece.style]
    if others and rng.random() < 0.8:
        return _with_piece(stranger, at, replace(piece, style=rng.choice(others)))
    style = piece.style if piece.family == "ornament" and rng.random() < 0.7 else rng.choice(ANCHORS)
    seed = rng.randrange(1 << 30)
    return _with_piece(stranger, at, Piece("ornament", style, piece.colour, seed, piece.size, piece.inside))


def _redecorate_piece(stranger: Stranger, rng: random.Random) -> Stranger:
    """Something else in it, of other colours, or nothing."""
    at = rng.choice([at for at, piece in enumerate(stranger.pieces) if piece.inside is not None])
    inside = rng.randrange(1 << 30) if rng.random() < 0.75 else None
    return _with_piece(stranger, at, replace(stranger.pieces[at], inside=inside))


def _remove_piece(stranger: Stranger, rng: random.Random) -> Stranger:
    return _with_piece(stranger, _pick(stranger, rng))


def _resize_piece(stranger: Stranger, rng: random.Random) -> Stranger:
    at = _pick(stranger, rng)
    piece = stranger.pieces[at]
    if piece.family != "ornament":
        return _recolour_piece(stranger, rng)
    return _with_piece(stranger, at, replace(piece, size=piece.size * rng.choice((0.55, 1.7))))
