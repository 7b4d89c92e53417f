"""Head outlines of heroes, none of them of the training world, and how parts find their place on one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from understudy.world.canvas import Points, polygon, smooth
from understudy.world.puppet import Frame

Corners = Sequence[tuple[float, float]]

# Right halves from top to chin, around (0, 0); the left half mirrors them. A face needs about +-26 at eye
# level and +-15 at the mouth; nothing rises above -52, for a jump brings that to the picture's edge.
_MIRRORED: dict[str, Corners] = {
    "onion": ((0, -50), (6, -41), (24, -30), (38, -12), (41, 9), (31, 29), (12, 38)),
    "heart": ((0, -21), (11, -31), (25, -34), (39, -24), (44, -6), (39, 12), (27, 27), (12, 38), (0, 42)),
    "gumdrop": ((0, -34), (19, -30), (31, -14), (37, 10), (43, 30), (34, 38), (0, 39)),
    "pear": ((0, -34), (17, -31), (26, -18), (31, -3), (44, 14), (42, 30), (24, 39), (0, 40)),
    "lemon": ((0, -34), (22, -29), (38, -13), (53, 3), (38, 20), (22, 34), (0, 38)),
}
_ROUNDED: dict[str, Corners] = {
    "hexagon": ((-24, -33), (24, -33), (46, 3), (24, 39), (-24, 39), (-46, 3)),
    "shield": ((-41, -33), (41, -33), (41, 6), (0, 46), (-41, 6)),
    "pot": ((-44, -33), (44, -33), (28, 39), (-28, 39)),
}
_FREE: dict[str, Corners] = {
    # The tip, or the dent, lies at the back of a side view.
    "wisp": ((-20, -51), (-2, -46), (14, -37), (32, -23), (41, -3), (39, 16), (28, 32), (10, 38), (-12, 38),
             (-30, 31), (-40, 14), (-40, -6), (-31, -22), (-18, -31), (-11, -40)),
    "bean": ((-8, -34), (18, -34), (39, -21), (44, 2), (37, 26), (14, 38), (-16, 38), (-37, 33), (-45, 19),
             (-36, 1), (-42, -16), (-31, -29)),
}  # fmt: skip
SHAPES = (*_MIRRORED, *_ROUNDED, *_FREE, "star", "scallop")
TIPPED = frozenset(("onion", "wisp"))
# In profile a narrow chin lies below the mouth: x moves by this share of y.
_CHIN = {
    "heart": 0.28,
    "shield": 0.34,
    "pot": 0.27,
    "onion": 0.15,
    "wisp": 0.12,
    "hexagon": 0.2,
    "lemon": 0.18,
}


@dataclass(frozen=True)
class HeroHead:
    """A head outline by name: `Look.head` of a hero."""

    shape: str

    def __call__(self, view: str) -> Points:
        """The outline (n, 2) around (0, 0)."""
        points = _outline(self.shape, view)
        if view == "side" and self.shape in _CHIN:
            points[:, 0] += np.maximum(points[:, 1], 0) * _CHIN[self.shape]
        if view == "back":
            points[:, 0] *= -1
        return points


def _outline(shape: str, view: str) -> Points:
    if shape in _MIRRORED:
        right = list(_MIRRORED[shape])
        left = [(-x, y) for x, y in reversed(right) if x]
        return smooth([*right, *left])
    if shape in _ROUNDED:
        return rounded(_ROUNDED[shape], 0.3)
    if shape in _FREE:
        return smooth(_FREE[shape])
    if shape == "star":
        return _star(view)
    if shape == "scallop":
        angle = np.linspace(0, math.tau, 145)[:-1]
        radius = 36 + 6.5 * np.abs(np.sin(4.5 * (angle + math.pi / 2)))
        return np.stack([radius * np.cos(angle), 0.93 * radius * np.sin(angle) + 2], axis=1)
    raise ValueError(f"no such head: {shape}")


def _star(view: str) -> Points:
    """Five soft points, one of them down; in profile turned, so that one lies under the mouth."""
    turn = math.radians(45) if view == "side" else 0.0
    angle = np.linspace(0, math.tau, 121)[:-1]
    radius = 41 + 6 * np.cos(5 * (angle - turn))
    points = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    if view == "side":
        points[:, 1] *= np.where(points[:, 1] < 0, 0.78, 0.93)
    else:
        points[:, 1] *= 0.93
    return points


def rounded(corners: Corners, share: float, num: int = 7) -> Points:
    """A polygon whose corners are cut by curves that begin at `share` of each edge."""
    knots = polygon(*corners)
    t = np.linspace(0, 1, num)[:, None]
    pieces = []
    for before, knot, after in zip(np.roll(knots, 1, 0), knots, np.roll(knots, -1, 0), strict=True):
        start, stop = knot + (before - knot) * share, knot + (after - knot) * share
        pieces.append((1 - t) ** 2 * start + 2 * t * (1 - t) * knot + t**2 * stop)
    return _dense(np.concatenate(pieces))


def _dense(points: Points, num: int = 6) -> Points:
    """The same closed outline with `num` points on every edge, so that each height has points near it."""
    t = np.linspace(0, 1, num, endpoint=False)[None, :, None]
    filled: Points = ((1 - t) * points[:, None] + t * np.roll(points, -1, 0)[:, None]).reshape(-1, 2)
    return filled


def on_head(frame: Frame, points: Corners | Points) -> Points:
    """Points measured from the head's centre, in drawing units."""
    return np.asarray(points, np.float64) + frame.head


def crown(frame: Frame) -> float:
    """The height of the head's top at its middle, measured from its centre (negative)."""
    local = frame.head_outline - frame.head
    return float(local[np.abs(local[:, 0]) < 9, 1].min())


def half_width(frame: Frame, y: float) -> float:
    """How far the head reaches to the right at height `y`, measured from its centre."""
    local = frame.head_outline - frame.head
    return float(local[np.abs(local[:, 1] - y) < 6, 0].max())


def on_crown(frame: Frame, points: Corners | Points) -> Points:
    """Points above the crown: (x, 0) lies on it, (x, 1) as high as a picture allows."""
    top = max(crown(frame), -36.0)
    local = np.asarray(points, np.float64)
    height = top + 49.5
    return np.stack([local[:, 0], top - local[:, 1] * height], axis=1) + frame.head
