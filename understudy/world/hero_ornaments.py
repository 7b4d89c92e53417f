"""What heroes have on their heads: families of shapes that no training character wears.

Every function paints in any view. Above the brows there is room from -52 to -26, measured from the head's
centre; at the sides (beyond +-28) further down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from understudy.world.canvas import (
    INK_WIDTH,
    Canvas,
    Colour,
    Points,
    arc,
    ellipse,
    limb,
    polygon,
    smooth,
    star,
)
from understudy.world.hero_heads import half_width, on_crown, on_head
from understudy.world.puppet import Frame


def merged(canvas: Canvas, shapes: Sequence[Points], colour: Colour, part: str = "ornament") -> None:
    """Paint several shapes as one, with one outline around them all."""
    for shape in shapes:
        canvas.fill(shape, colour, part, 2 * INK_WIDTH)
    for shape in shapes:
        canvas.fill(shape, colour, part, 0)


def spiral(centre: tuple[float, float], radius: float, turns: float, start: float = 0.0) -> Points:
    """A line that winds outwards from `centre`, an Archimedean spiral."""
    t = np.linspace(0.12, 1, int(turns * 18))
    angle = start + t * turns * math.tau
    return np.stack([centre[0] + radius * t * np.cos(angle), centre[1] + radius * t * np.sin(angle)], axis=1)


def _pairs(frame: Frame, reach: float, near: float) -> list[tuple[float, int]]:
    """Roots and directions of a pair of things: far apart from the front, closer in profile."""
    half = near if frame.view == "side" else reach
    shift = -5.0 if frame.view == "side" else 0.0
    return [(shift - half, -1), (shift + half, 1)]


def mushroom(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A spotted cap."""
    low = -12.0 if frame.view == "back" else -25.0
    brim = [(-46.0, -20.0), (-38, -38), (-20, -49), (0, -52), (20, -49), (38, -38), (46, -20)]
    cap = on_head(frame, smooth([*brim, (30, low), (0, low - 1), (-30, low)]))
    canvas.fill(cap, colour, "ornament")
    spots = [((-25.0, -35.0), 7.5), ((1.0, -41.0), 8.0), ((26.0, -33.0), 7.0), ((-44.0, -21.0), 6.0)]
    canvas.paint_inside(
        cap, [(ellipse(frame.at_head(*at), r, r * 0.9), accent) for at, r in spots], "ornament"
    )
    canvas.line(np.concatenate([cap, cap[:1]]), "ornament")


def sprout(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A stem with two leaves."""
    canvas.fill(
        limb([tuple(p) for p in on_crown(frame, [(0, -0.4), (1, 0.3), (0, 0.6)])], 6), accent, "ornament"
    )
    for side in (-1, 1):
        leaf = [
            (0, 0.42),
            (side * 10, 0.95),
            (side * 26, 1.0),
            (side * 33, 0.6),
            (side * 22, 0.2),
            (side * 8, 0.2),
        ]
        canvas.fill(smooth(on_crown(frame, leaf)), colour, "ornament")
        vein = on_crown(frame, [(side * 6, 0.45), (side * 25, 0.62)])
        canvas.line(vein, "ornament", 1.8)


def horn(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A single banded horn."""
    lean = 10.0 if frame.view == "side" else 0.0
    cone = polygon(*on_crown(frame, [(-15 + lean / 2, -0.4), (lean * 1.6, 1.0), (15 + lean / 2, -0.4)]))
    canvas.fill(cone, colour, "ornament")
    for low in (0.0, 0.42):
        band = on_crown(frame, [(-20, low), (24, low + 0.18), (24, low + 0.38), (-20, low + 0.2)])
        canvas.paint_inside(cone, [(band, accent)], "ornament")
    canvas.line(np.concatenate([cone, cone[:1]]), "ornament")


def antlers(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Branching antlers with bright tips."""
    for root, d in _pairs(frame, 20, 13):
        x = frame.head[0] + root
        y = frame.head[1]
        merged(
            canvas,
            [
                limb([(x, y - 22), (x + d * 12, y - 36), (x + d * 29, y - 41)], 9, 8),
                limb([(x + d * 5, y - 32), (x + d * 2, y - 46)], 8, 7),
                limb([(x + d * 18, y - 40), (x + d * 20, y - 47)], 8, 6),
            ],
            colour,
        )
        canvas.fill(ellipse((x + d * 31, y - 41), 6.5, 6.5), accent, "ornament", 2)


def flame(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A flame of two colours."""
    back = -4.0 if frame.view == "side" else 0.0
    outer = [
        (-27, -0.3),
        (-25, 0.35),
        (-29, 0.75),
        (-15, 0.5),
        (-2, 1.05),
        (8, 0.55),
        (22, 0.8),
        (20, 0.4),
        (27, -0.3),
    ]
    inner = [(-13, -0.3), (-12, 0.2), (-1, 0.62), (6, 0.28), (13, -0.3)]
    canvas.fill(smooth(on_crown(frame, [(x + back, y) for x, y in outer])), colour, "ornament")
    canvas.fill(smooth(on_crown(frame, [(x + back, y) for x, y in inner])), accent, "ornament", 0)


def petals(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A ring of petals around the whole head."""
    for index in (*range(0, 12, 2), *range(1, 12, 2)):
        angle = math.tau * (index + 0.5) / 12
        if math.sin(angle) > 0.8:  # would hide the chest
            continue
        at = frame.at_head(41 * math.cos(angle), 2 + 38 * math.sin(angle))
        canvas.fill(ellipse(at, 14, 10.5, angle), colour if index % 2 else accent, "ornament")


def crest(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A fin from the forehead over the head."""
    if frame.view == "side":
        shape = [
            (20.0, -26.0),
            (16, -47),
            (4, -38),
            (-8, -52),
            (-20, -38),
            (-38, -42),
            (-40, -24),
            (-54, -16),
            (-44, -2),
            (-48, 14),
            (-30, 12),
            (-10, -20),
        ]
        rays = [((-8, -22), (-8, -47)), ((-18, -16), (-36, -38)), ((-26, -6), (-49, -14))]
    else:
        shape = [(-12.0, -24.0), (-17, -40), (-9, -40), (0, -52), (9, -40), (17, -40), (12, -24)]
        rays = [((0, -26), (0, -47)), ((-6, -26), (-11, -37)), ((6, -26), (11, -37))]
    if frame.view == "back":
        shape = [*shape[:-1], (12, -24), (9, 10), (0, 20), (-9, 10)]
    canvas.fill(on_head(frame, shape), colour, "ornament")
    for ray in rays:
        canvas.line(on_head(frame, ray), "ornament", 4, accent)


def cloud(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A cloud, and a sun that peeps out behind it."""
    canvas.fill(star(frame.at_head(32, -34), 15, 10, 0.72), accent, "ornament")
    puffs = [((-33.0, -32.0), 7.0), ((-18.0, -36.5), 11.0), ((4.0, -37.0), 12.0), ((20.0, -32.5), 7.0)]
    base = polygon(*on_head(frame, [(-33, -36), (20, -36), (20, -25.5), (-33, -25.5)]))
    merged(canvas, [*(ellipse(frame.at_head(*at), r, r) for at, r in puffs), base], colour)


def shell(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A snail's shell on top."""
    x = -8.0 if frame.view == "side" else 0.0
    centre = frame.at_head(x, -35)
    foot = on_head(frame, smooth([(x - 33, -28), (x - 14, -38), (x + 18, -38), (x + 35, -28), (x, -25)]))
    canvas.fill(foot, accent, "ornament")
    canvas.fill(ellipse(centre, 17, 14.5), colour, "ornament")
    canvas.line(spiral(centre, 12, 2.0, 0.8), "ornament", 3.6, accent)


def cactus(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A cactus with a flower."""
    x, y = frame.head
    merged(
        canvas,
        [
            limb([(x, y - 33), (x, y - 40)], 17),
            limb([(x, y - 32), (x - 19, y - 32), (x - 22, y - 43)], 9),
            limb([(x, y - 30), (x + 19, y - 30), (x + 22, y - 39)], 9),
        ],
        colour,
    )
    canvas.fill(star((x + 1, y - 43), 9, 6, 0.6), accent, "ornament", 1.8)


def star_stalks(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Two stars on bent stalks."""
    x, y = frame.head
    for root, d in _pairs(frame, 18, 11):
        canvas.fill(
            limb([(x + root, y - 24), (x + root + d * 5, y - 36), (x + root + d * 13, y - 40)], 5),
            accent,
            "ornament",
        )
        canvas.fill(star((x + root + d * 15, y - 37), 13, 5, 0.52), colour, "ornament")


def pinwheel(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A pinwheel of four sails."""
    x, y = frame.at_head(-3 if frame.view == "side" else 0, -37)
    for index in range(4):
        a = (index + 0.5) * math.pi / 2
        tip = (x + 24 * math.cos(a), y + 20 * math.sin(a))
        bend = (x + 16 * math.cos(a + 0.9), y + 14 * math.sin(a + 0.9))
        canvas.fill(polygon((x, y), tip, bend), colour if index % 2 else accent, "ornament")
    canvas.fill(ellipse((x, y), 4, 4), accent, "ornament", 2)


def crescent(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A moon lying on its back, a star in its lap."""
    moon = np.concatenate(
        [arc(frame.at_head(0, -42), 30, 18.5, 350, 550, 30), arc(frame.at_head(0, -47), 22, 13, 190, -10, 24)]
    )
    shifted = moon + np.array([-3.0 if frame.view == "side" else 0.0, 0.0])
    canvas.fill(shifted, colour, "ornament")
    canvas.fill(
        star(frame.at_head(-3 if frame.view == "side" else 0, -43), 9.5, 5, 0.5), accent, "ornament", 1.8
    )


def crystals(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Three pointed crystals."""
    for x, lean, high, half in ((-19, -9, 0.6, 9), (19, 9, 0.6, 9), (0, 0, 1.0, 11)):
        left, right = (x - half, -0.5), (x + half, -0.5)
        upper = [(x + half + lean * 0.7, high * 0.55), (x + lean, high), (x - half + lean * 0.7, high * 0.55)]
        canvas.fill(on_crown(frame, [left, right, *upper]), colour, "ornament")
        facet = on_crown(frame, [(x, -0.5), right, upper[0], (x + lean, high), (x + lean * 0.6, high * 0.45)])
        canvas.fill(facet, accent, "ornament", 1.6)


def tulip(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A flower that grows between two leaves."""
    for side in (-1, 1):
        leaf = [(0, -0.4), (side * 16, 0.0), (side * 33, 0.55), (side * 14, 0.45), (side * 2, 0.2)]
        canvas.fill(smooth(on_crown(frame, leaf)), accent, "ornament")
    cup = [(-13, 0.95), (-6, 0.68), (0, 1.0), (6, 0.68), (13, 0.95), (15, 0.4), (0, 0.0), (-15, 0.4)]
    canvas.fill(on_crown(frame, cup), colour, "ornament")


def ram_horns(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Horns that curl at the temples."""
    sides = ((-1, -14.0),) if frame.view == "side" else ((-1, -41.0), (1, 41.0))
    for side, x in sides:
        centre = frame.at_head(x, -12)
        canvas.fill(ellipse(centre, 16, 17), colour, "ornament")
        canvas.line(spiral((centre[0] - side * 1, centre[1]), 12, 1.7, 1.6), "ornament", 3.6, accent)


def fins(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Webbed fins at the temples."""
    for side in (-1,) if frame.view == "side" else (-1, 1):
        x = -8.0 if frame.view == "side" else side * min(half_width(frame, -10) - 4, 34)
        shape = [
            (x, -20),
            (x + side * 20, -34),
            (x + side * 18, -18),
            (x + side * 29, -10),
            (x + side * 18, -2),
            (x + side * 20, 12),
            (x, 6),
        ]
        canvas.fill(on_head(frame, shape), colour, "ornament")
        for tip in ((15, -27), (22, -10), (14, 5)):
            canvas.line(
                on_head(frame, [(x + side * 3, -8), (x + side * tip[0], tip[1])]), "ornament", 3.2, accent
            )


def discs(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Round discs at the temples, ringed like targets."""
    for x in (-13.0,) if frame.view == "side" else (-42.0, 42.0):
        centre = frame.at_head(x, -8)
        canvas.fill(ellipse(centre, 17, 17), colour, "ornament")
        canvas.fill(ellipse(centre, 10, 10), accent, "ornament", 2)
        canvas.fill(ellipse(centre, 4.5, 4.5), colour, "ornament", 0)


def head_wings(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Small feathered wings at the temples."""
    for side in (-1,) if frame.view == "side" else (-1, 1):
        x = -6.0 if frame.view == "side" else side * min(half_width(frame, -12) - 4, 32)
        for reach, rise, hue in ((24, 2, accent), (29, -9, colour), (31, -22, colour)):
            feather = [
                (x, -4),
                (x + side * reach * 0.6, rise + 6),
                (x + side * reach, rise - 4),
                (x + side * reach * 0.55, rise - 13),
                (x, -20),
            ]
            canvas.fill(smooth(on_head(frame, feather)), hue, "ornament")
