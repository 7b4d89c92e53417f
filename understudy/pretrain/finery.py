"""What makes a stranger's ornament rich: shapes of several colours with something drawn inside them.

An artist's character seldom wears a flat blot. A base that has seen only those turns every fine pattern into
its mean hue (docs/log.md). All is drawn at random: no hero's code is used here.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from understudy.world.canvas import Canvas, Colour, Points, limb, polygon
from understudy.world.palette import shade
from understudy.world.shapes import random_colour, random_shape

Inner = list[tuple[Points, Colour]]
Colours = tuple[Colour, ...]


def rich_colours(rng: random.Random, first: Colour) -> Colours:
    """Two to four colours that belong to one ornament, `first` among them."""
    others = [
        shade(first, rng.choice((-0.5, -0.3, 0.4, 0.6))) if rng.random() < 0.3 else random_colour(rng)
        for _ in range(rng.randrange(1, 4))
    ]
    return (first, *others)


def decorate(canvas: Canvas, rng: random.Random, outline: Points, colours: Colours) -> None:
    """Draw something inside a shape, in the colours that come after its own."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    across = max(8.0, float((high - low).max()))
    inner = rng.choice(_WAYS)(rng, outline, (low + high) / 2, across, colours[1:])
    canvas.paint_inside(outline, inner, "ornament")


def _nested(rng: random.Random, outline: Points, middle: Points, across: float, colours: Colours) -> Inner:
    """Smaller copies of the shape one in another, a ring or a target."""
    to = middle + np.array([rng.uniform(-0.15, 0.15), rng.uniform(-0.2, 0.2)]) * across
    sizes = np.linspace(rng.uniform(0.65, 0.85), rng.uniform(0.2, 0.4), rng.randrange(1, 4))
    cycle = (*colours, random_colour(rng))
    return [((outline - middle) * size + to, cycle[k % len(cycle)]) for k, size in enumerate(sizes)]


def _rays(rng: random.Random, outline: Points, middle: Points, across: float, colours: Colours) -> Inner:
    """Every other sector about a point in the shape or at its rim."""
    x, y = middle if rng.random() < 0.5 else rng.choice(outline)
    num, turn = rng.randrange(3, 9), rng.uniform(0, math.tau)
    rays = []
    for k in range(num):
        a, b = turn + math.tau * k / num, turn + math.tau * (k + rng.uniform(0.3, 0.6)) / num
        reach = 1.5 * across
        corners = [(x + reach * math.cos(t), y + reach * math.sin(t)) for t in (a, b)]
        rays.append((polygon((x, y), *corners), colours[k % len(colours)]))
    return rays


def _stripes(rng: random.Random, outline: Points, middle: Points, across: float, colours: Colours) -> Inner:
    """Bands at any angle, straight or bent in the middle."""
    x, y = middle
    turn = rng.choice((0.0, math.pi / 2, rng.uniform(0, math.pi)))
    c, s = math.cos(turn), math.sin(turn)
    gap = rng.uniform(0.14, 0.4) * across
    thick, bend = rng.uniform(0.3, 0.6) * gap, rng.choice((0.0, 0.0, rng.uniform(-0.4, 0.4) * across))
    bands = []
    for row in range(-4, 5):
        away = row * gap
        path = [(-across, away), (0.0, away + bend), (across, away)]
        corners = [*path, *[(px, py + thick) for px, py in reversed(path)]]
        turned = [(x + c * px - s * py, y + s * px + c * py) for px, py in corners]
        bands.append((polygon(*turned), colours[row % len(colours)]))
    return bands


def _blots(rng: random.Random, outline: Points, middle: Points, across: float, colours: Colours) -> Inner:
    """A few shapes of one form, strewn or in rows."""
    form = random_shape(rng, (0.0, 0.0), rng.uniform(0.16, 0.4) * across)
    if rng.random() < 0.5:
        gap = rng.uniform(0.25, 0.45) * across
        places = [((k % 3 - 1) * gap, (k // 3 - 1) * gap) for k in range(9)]
    else:
        reach = 0.45 * across
        places = [
            (rng.uniform(-reach, reach), rng.uniform(-reach, reach)) for _ in range(rng.randrange(2, 7))
        ]
    return [(form + middle + np.array(at), colours[k % len(colours)]) for k, at in enumerate(places)]


def _halves(rng: random.Random, outline: Points, middle: Points, across: float, colours: Colours) -> Inner:
    """One side of a line in another colour."""
    x, y = middle
    turn = rng.choice((0.0, math.pi / 2, math.pi, rng.uniform(0, math.tau)))
    c, s = math.cos(turn), math.sin(turn)
    away = rng.uniform(-0.2, 0.2) * across
    box = [(away, -2 * across), (2 * across, -2 * across), (2 * across, 2 * across), (away, 2 * across)]
    return [(polygon(*[(x + c * px - s * py, y + s * px + c * py) for px, py in box]), colours[0])]


def _stroke(rng: random.Random, outline: Points, middle: Points, across: float, colours: Colours) -> Inner:
    """A line whose bend changes steadily along it: an arc, a wave, a hook or a curl."""
    num = 40
    start, change = rng.uniform(-0.3, 0.3), rng.uniform(-0.03, 0.03)
    heading = rng.uniform(0, math.tau) + np.cumsum(start + change * np.arange(num))
    points = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
    points -= (points.min(axis=0) + points.max(axis=0)) / 2
    points *= rng.uniform(0.5, 0.9) * across / max(1e-3, float(np.ptp(points, axis=0).max()))
    width = rng.uniform(0.08, 0.2) * across
    path = [(float(px), float(py)) for px, py in points[::2] + middle]
    return [(limb([a, b], width, width), colours[0]) for a, b in pairwise(path)]


_WAYS: tuple[Callable[[random.Random, Points, Points, float, Colours], Inner], ...] = (
    _nested, _nested, _rays, _stripes, _stripes, _blots, _halves, _stroke,
)  # fmt: skip
