"""What heroes carry behind them (tails, wings, packs) and wear around neck or waist.

A thing on the back stands out on the left of the page from the front, on the right from behind, and on the
left of a side view, which faces right.
"""

from __future__ import annotations

import math

from understudy.world.canvas import Canvas, Colour, Points, ellipse, limb, polygon, smooth, star, superellipse
from understudy.world.hero_ornaments import merged, spiral
from understudy.world.puppet import Frame


def _body(frame: Frame, *points: tuple[float, float]) -> list[tuple[float, float]]:
    return [frame.at_body(x, y) for x, y in points]


def _tail(frame: Frame, *points: tuple[float, float]) -> list[tuple[float, float]]:
    """Points given for a tail that stands out by +x."""
    side = 1 if frame.view == "back" else -1
    return [frame.at_body(side * x, y) for x, y in points]


def arrow_tail(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A thin tail with an arrow's head."""
    canvas.fill(limb(_tail(frame, (4, 136), (30, 148), (46, 138), (49, 122)), 7), colour, "ornament")
    canvas.fill(polygon(*_tail(frame, (49, 98), (63, 121), (49, 117), (35, 121))), accent, "ornament")


def zigzag_tail(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A ribbon of zigzags with a diamond at its end."""
    upper = [(4.0, 132.0), (24, 140), (29, 122), (45, 131), (49, 116)]
    lower = [(57.0, 118.0), (50, 144), (34, 135), (29, 152), (4, 143)]
    canvas.fill(polygon(*_tail(frame, *upper, *lower)), colour, "ornament")
    canvas.fill(polygon(*_tail(frame, (54, 92), (65, 108), (53, 124), (42, 108))), accent, "ornament")


def curl_tail(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A thick tail that ends in a curl."""
    canvas.fill(limb(_tail(frame, (4, 136), (28, 150), (46, 142)), 10), colour, "ornament")
    (centre,) = _tail(frame, (48, 124))
    canvas.fill(ellipse(centre, 17, 17), colour, "ornament")
    canvas.line(spiral(centre, 13, 2.0, 0.6), "ornament", 3.6, accent)


def fan_tail(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A fan of broad feathers."""
    middle = frame.view in ("front", "back")
    for index in (0, 4, 1, 3, 2):
        angle = math.radians(-90 + (index - 2) * 38) if middle else math.radians(180 + (index - 2) * 26)
        length = 52.0 if middle else 40.0
        x, y = frame.at_body(0 if middle else -8, 140)
        tip = (x + length * math.cos(angle), y + length * math.sin(angle) * 0.85)
        canvas.fill(limb([(x, y), tip], 9, 24), colour, "ornament")
        canvas.fill(ellipse(tip, 7, 7), accent, "ornament", 2)


def butterfly_wings(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Two pairs of round wings."""
    for side in (-1,) if frame.view == "side" else (-1, 1):
        root = side * 6
        lower = smooth(
            _body(frame, (root, 120), (side * 34, 124), (side * 48, 138), (side * 38, 152), (side * 18, 144))
        )
        upper = smooth(
            _body(
                frame,
                (root, 120),
                (side * 22, 96),
                (side * 48, 84),
                (side * 64, 94),
                (side * 58, 116),
                (side * 36, 126),
            )
        )
        canvas.fill(lower, accent, "ornament")
        canvas.fill(upper, colour, "ornament")
        canvas.fill(ellipse(frame.at_body(side * 50, 102), 7, 7), accent, "ornament", 2)


def bat_wings(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Webbed wings with three points."""
    for side in (-1,) if frame.view == "side" else (-1, 1):
        edge = [(6, 108), (34, 90), (66, 92), (60, 112), (56, 126), (46, 120), (38, 134), (28, 124), (8, 132)]
        canvas.fill(polygon(*_body(frame, *((side * x, y) for x, y in edge))), colour, "ornament")
        for x, y in ((54, 122), (37, 128)):
            canvas.line(polygon(*_body(frame, (side * 32, 96), (side * x, y))), "ornament", 3, accent)


def cape(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A short cape with a coloured hem."""
    if frame.view == "side":
        cloth, hem = (
            [(6, 102), (-14, 104), (-50, 150), (-8, 158)],
            [(-45, 143), (-50, 150), (-8, 158), (-7, 150)],
        )
    else:
        cloth, hem = (
            [(-18, 102), (18, 102), (48, 156), (-48, 156)],
            [(-44, 148), (44, 148), (48, 156), (-48, 156)],
        )
    canvas.fill(polygon(*_body(frame, *cloth)), colour, "ornament")
    canvas.fill(polygon(*_body(frame, *hem)), accent, "ornament")


def bedroll(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A pack with a rolled blanket across it."""
    if frame.view == "side":
        canvas.fill(superellipse(frame.at_body(-20, 128), 15, 17, 4), accent, "ornament")
        canvas.fill(ellipse(frame.at_body(-24, 110), 15, 15), colour, "ornament")
        canvas.line(spiral(frame.at_body(-24, 110), 11, 1.8), "ornament", 3)
        return
    canvas.fill(superellipse(frame.at_body(0, 128), 25, 18, 4), accent, "ornament")
    canvas.fill(superellipse(frame.at_body(0, 110), 50, 12, 5), colour, "ornament")
    for x in (-36, 36):
        canvas.line(polygon(*_body(frame, (x, 99), (x, 121))), "ornament", 5, accent)


def turtle_shell(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A domed shell with plates."""
    if frame.view == "side":
        dome = smooth(_body(frame, (-4, 98), (-28, 102), (-42, 122), (-32, 144), (-4, 148)))
        plates = [((-18.0, 112.0), 8.0), ((-29.0, 126.0), 8.0), ((-16.0, 138.0), 7.0)]
    else:
        dome = superellipse(frame.at_body(0, 123), 45, 30, 2.4)
        plates = [
            ((0.0, 123.0), 13.0),
            ((-28.0, 112.0), 10.0),
            ((28.0, 112.0), 10.0),
            ((-27.0, 136.0), 9.0),
            ((27.0, 136.0), 9.0),
        ]
    canvas.fill(dome, colour, "ornament")
    canvas.paint_inside(dome, [(_hexagon(frame.at_body(*at), r), accent) for at, r in plates], "ornament")


def _hexagon(centre: tuple[float, float], radius: float) -> Points:
    return star(centre, radius, 3, 1.0)


def wind_up_key(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A toy's key in the back."""
    if frame.view == "side":
        canvas.fill(limb(_body(frame, (-6, 122), (-30, 122)), 7), accent, "ornament")
        loops = [(-40.0, 110.0), (-40.0, 134.0)]
    else:
        canvas.fill(limb(_body(frame, (-34, 122), (34, 122)), 8), accent, "ornament")
        loops = [(-45.0, 118.0), (45.0, 118.0)] if frame.view == "front" else [(-18.0, 120.0), (18.0, 120.0)]
    for loop in loops:
        canvas.fill(ellipse(frame.at_body(*loop), 15, 15), colour, "ornament")
        canvas.fill(ellipse(frame.at_body(*loop), 6, 6), accent, "ornament", 2)


def _narrow(frame: Frame) -> float:
    return 0.76 if frame.view == "side" else 1.0


def petal_skirt(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A skirt of round petals."""
    n = _narrow(frame)
    for index in (0, 4, 1, 3, 2):
        x = (index - 2) * 10.5 * n
        petal = ellipse(frame.at_body(x * 1.15, 143), 8.5, 13, -(index - 2) * 0.22)
        canvas.fill(petal, colour if index % 2 == 0 else accent, "body")
    canvas.fill(superellipse(frame.at_body(0, 132), 20 * n, 4.5, 4), accent, "body")


def leaf_skirt(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A skirt of pointed leaves."""
    n = _narrow(frame)
    for row, (hue, top, low) in enumerate(((accent, 132, 158), (colour, 128, 149))):
        edge = [(-19.0 * n, float(top)), (19.0 * n, float(top))]
        tips = 5 if row == 0 else 4
        for index in range(2 * tips + 1):
            x = (30 - index * 30 / tips) * n
            edge.append((x, low if index % 2 else low - 12))
        canvas.fill(polygon(*_body(frame, *edge)), hue, "body")


def puff(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Puffed breeches with slashes."""
    n = _narrow(frame)
    merged(canvas, [ellipse(frame.at_body(x * n, 142), 17 * n, 12) for x in (-13, 13)], colour, "body")
    for x in (-19, -7, 7, 19):
        canvas.fill(ellipse(frame.at_body(x * n, 142), 2.6, 8), accent, "body", 0)


def ruff(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A wide pleated collar."""
    n = 0.8 if frame.view == "side" else 1.0
    for index in range(-3, 4):
        at = frame.at_body(index * 9.5 * n, 110 - abs(index) * 1.6)
        canvas.fill(ellipse(at, 7.5, 10), colour if index % 2 else accent, "ornament")


def spike_collar(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A collar of long points."""
    n = 0.8 if frame.view == "side" else 1.0
    edge = [(-26 * n, 100.0), (26 * n, 100.0)]
    edge += [
        ((30 - index * 10) * n, 105.0 if index % 2 else 119.0 - abs(index - 3) * 2) for index in range(7)
    ]
    canvas.fill(polygon(*_body(frame, *edge)), colour, "ornament")
    for index in range(0, 7, 2):
        canvas.fill(
            ellipse(frame.at_body((30 - index * 10) * n, 119 - abs(index - 3) * 2), 3.6, 3.6),
            accent,
            "ornament",
            1.8,
        )
