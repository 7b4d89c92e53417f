"""What a picture is shown beside: the drawing that it is most like, and for heroes the truth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from PIL import Image

from understudy.domain import Character, Drawing, Pixels, UserError
from understudy.drawings.oklab import Oklab, to_oklab
from understudy.world.heroes import EXAMPLE, Hero, drawings, hero, oracle
from understudy.world.portfolio import wish

COMPARED_PX = 32
DEVELOPMENT_SEEDS = range(1000)  # those from 1000 on are never looked at


def nearest_drawings(pictures: Sequence[Pixels], of: Sequence[Drawing]) -> list[int]:
    """For each picture (height, width, 3) the number of the drawing that looks most like it, mirrored or not.

    By the mean distance of colours, on small squares: enough to look at, no proof of copying.
    """
    ways = [_small(drawing.pixels) for drawing in of]
    nearest = []
    for pixels in pictures:
        seen = _small(pixels)
        distances = [min(_apart(seen, way), _apart(seen, way[:, ::-1])) for way in ways]
        nearest.append(int(np.argmin(distances)))
    return nearest


def find_hero(character: Character) -> Hero | None:
    """The invented hero that these are the drawings of, or None: a name alone proves nothing."""
    if not character.drawings or character.drawings[0].pixels.shape != drawings(EXAMPLE)[0].pixels.shape:
        return None
    named = (one for one in chain((EXAMPLE,), map(hero, DEVELOPMENT_SEEDS)) if one.name == character.name)
    return next((one for one in named if _drew(one, character)), None)


def truth(of: Hero, prompt: str) -> Pixels | None:
    """The hero's true picture of what `prompt` asks for; None where its world cannot draw just that."""
    try:
        return oracle(of, wish(of, prompt)).pixels
    except UserError:
        return None


def _drew(one: Hero, character: Character) -> bool:
    own = [drawing.pixels for drawing in drawings(one)]
    return all(any(np.array_equal(drawing.pixels, each) for each in own) for drawing in character.drawings)


def _small(pixels: Pixels) -> Oklab:
    """Fitted into a small white square, in Oklab."""
    image = Image.fromarray(pixels)
    image.thumbnail((COMPARED_PX, COMPARED_PX), Image.Resampling.BOX)
    square = Image.new("RGB", (COMPARED_PX, COMPARED_PX), "white")
    square.paste(image, ((COMPARED_PX - image.width) // 2, (COMPARED_PX - image.height) // 2))
    return to_oklab(np.asarray(square))


def _apart(one: Oklab, other: Oklab) -> float:
    return float(np.linalg.norm(one - other, axis=2).mean())
