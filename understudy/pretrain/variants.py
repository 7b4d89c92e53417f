"""A character that differs from another in exactly one thing: what the judge must learn to see."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from understudy.pretrain.ornaments import ANCHORS
from understudy.pretrain.strangers import HEADS, Piece, Stranger, another_colour, random_ornament
from understudy.world.characters import KIND_TRAITS
from understudy.world.vocabulary import TRAITS


def variant(stranger: Stranger, rng: random.Random) -> Stranger:
    """The same character but for one thing, which may not be seen in every scene.

    Something is recoloured, swapped, removed, resized, added or decorated otherwise, or a head reshaped.
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
