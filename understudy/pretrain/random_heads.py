"""Heads of no kind, for strangers: from almost round to far from it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np

from understudy.world.canvas import Points
from understudy.world.poses import HEAD_RADIUS

WIDE = "wide "


def random_head(seed: str) -> Callable[[str], Points]:
    """A head outline: smooth, lobed or cornered, about as large as the usual one, the same from all sides.

    Those whose seed begins with WIDE are farther from a circle: with a point, a dent, a broad brow or chin.
    """
    rng = random.Random(f"head {seed}")
    angle = np.linspace(0, math.tau, 64, endpoint=False)
    radius = np.ones_like(angle)
    most, low, high = (0.34, 0.68, 1.3) if seed.startswith(WIDE) else (0.16, 0.8, 1.2)
    for order in (2, 3, 4, 5, 6, 8):
        if rng.random() < 0.45:
            # Symmetric about the vertical, where the angle is a quarter turn.
            radius += rng.uniform(-most, most) / math.sqrt(order) * np.cos(order * (angle - math.pi / 2))
    power = rng.choice((2.0, 2.2, 3.0, 4.5))
    c, s = np.cos(angle), np.sin(angle)
    box = (np.abs(c) ** power + np.abs(s) ** power) ** (-1 / power)
    radius = np.clip(radius, low, high) * box * rng.uniform(0.92, 1.05)
    outline = HEAD_RADIUS * np.stack(
        [radius * c * rng.uniform(0.88, 1.12), radius * s * rng.uniform(0.9, 1.06)], axis=1
    )

    def head(view: str) -> Points:
        return outline

    return head
