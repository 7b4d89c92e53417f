"""Random vector drawings of nothing in particular: shapes, colours and patterns beyond the world's own.

They teach the autoencoder and the judge to keep what no character of the world wears.
"""

from __future__ import annotations

import math
import random

import numpy as np

from understudy.domain import Pixels
from understudy.world.canvas import (
    INK,
    SIZE,
    Canvas,
    Colour,
    Points,
    ellipse,
    limb,
    smooth,
    star,
    superellipse,
)


def random_colour(rng: random.Random) -> Colour:
    """Any flat colour, as often vivid as not."""
    if rng.random() < 0.1:
        return rng.choice([(255, 255, 255), INK, (128, 128, 128)])
    red, green, blue = (rng.randrange(256) for _ in range(3))
    return red, green, blue


def random_shape(rng: random.Random, centre: tuple[float, float], size: float) -> Points:
    """One closed shape of about `size` units across."""
    half = size / 2
    turn = rng.uniform(0, math.tau)
    match rng.randrange(6):
        case 0:
            return ellipse(centre, half, half * rng.uniform(0.4, 1), turn)
        case 1:
            return superellipse(centre, half, half * rng.uniform(0.5, 1), rng.uniform(2.5, 8), turn)
        case 2:
            return star(centre, half, rng.randrange(3, 9), rng.uniform(0.3, 0.8))
        case 3:
            return smooth(_ring(rng, centre, half, rng.randrange(4, 9)))
        case 4:
            return _ring(rng, centre, half, rng.randrange(3, 7))
        case _:
            reach = [
                (centre[0] + rng.uniform(-half, half), centre[1] + rng.uniform(-half, half)) for _ in range(3)
            ]
            return limb(reach, rng.uniform(3, 14), rng.uniform(3, 14))


def _ring(rng: random.Random, centre: tuple[float, float], half: float, num: int) -> Points:
    angles = np.sort([rng.uniform(0, math.tau) for _ in range(num)])
    lengths = np.array([rng.uniform(0.5, 1) * half for _ in range(num)])
    return np.stack([centre[0] + lengths * np.cos(angles), centre[1] + lengths * np.sin(angles)], axis=1)


def random_drawing(seed: int) -> Pixels:
    """A picture (192, 192, 3) of a few random shapes with patterns, half of them on white paper."""
    rng = random.Random(f"shapes {seed}")
    canvas = Canvas(SIZE, (255, 255, 255) if rng.random() < 0.5 else random_colour(rng))
    for _ in range(rng.randrange(3, 12)):
        centre = (rng.uniform(0, SIZE), rng.uniform(0, SIZE))
        size = math.exp(rng.uniform(math.log(10), math.log(110)))
        outline = random_shape(rng, centre, size)
        ink = rng.choice([0.0, 2.0, 2.6, 2.6, 3.4])
        canvas.fill(
            outline, random_colour(rng), "ornament", ink, INK if rng.random() < 0.8 else random_colour(rng)
        )
        if rng.random() < 0.3:
            canvas.paint_inside(outline, _pattern(rng, centre, size), "ornament")
        if rng.random() < 0.2:
            ends = [(rng.uniform(0, SIZE), rng.uniform(0, SIZE)) for _ in range(3)]
            canvas.line(smooth(ends, closed=False), "ornament", rng.uniform(1.5, 4), random_colour(rng))
    return canvas.finish()[0]


def _pattern(rng: random.Random, centre: tuple[float, float], size: float) -> list[tuple[Points, Colour]]:
    colour = random_colour(rng)
    gap = rng.uniform(6, 14)
    x, y = centre[0] - size / 2, centre[1] - size / 2
    rows = range(int(size / gap) + 1)
    if rng.random() < 0.5:
        stripe = superellipse((0, 0), size, gap * 0.25, 8)
        return [(stripe + (centre[0], y + row * gap), colour) for row in rows]
    dot = random_shape(rng, (0.0, 0.0), gap * 0.7)
    return [(dot + (x + column * gap, y + row * gap), colour) for row in rows for column in rows]
