"""Places behind the figure: one small function each, all on the same horizon."""

from __future__ import annotations

import math
import random

from understudy.world.canvas import Canvas, Colour, ellipse, polygon

HORIZON = 138.0


def paint_place(canvas: Canvas, place: str, rng: random.Random) -> None:
    """Paint a place over the whole canvas; paper stays white."""
    match place:
        case "paper":
            return
        case "castle":
            _castle(canvas, rng)
        case "sunset":
            _sunset(canvas, rng)
        case "woods":
            _woods(canvas, rng)
        case _:
            raise ValueError(f"no such place: {place}")


def _band(canvas: Canvas, top: float, bottom: float, colour: Colour, ink: float = 0) -> None:
    canvas.fill(polygon((-4, top), (196, top), (196, bottom), (-4, bottom)), colour, "scenery", ink)


def _castle(canvas: Canvas, rng: random.Random) -> None:
    _band(canvas, -4, HORIZON + 2, (168, 214, 244))
    stone: Colour = (186, 180, 196)
    shift = rng.uniform(-3, 3)
    canvas.fill(polygon((20, 84), (172, 84), (172, HORIZON), (20, HORIZON)), stone, "scenery")
    for x in range(24, 170, 18):
        canvas.fill(polygon((x, 76), (x + 9, 76), (x + 9, 85), (x, 85)), stone, "scenery", 2)
    for middle in (26 + shift, 166 + shift):
        canvas.fill(
            polygon((middle - 18, 56), (middle + 18, 56), (middle + 18, HORIZON), (middle - 18, HORIZON)),
            stone,
            "scenery",
        )
        canvas.fill(polygon((middle - 23, 57), (middle, 16), (middle + 23, 57)), (206, 74, 86), "scenery")
        canvas.fill(
            polygon((middle - 4, 72), (middle + 4, 72), (middle + 4, 88), (middle - 4, 88)),
            (76, 66, 96),
            "scenery",
            2,
        )
    _band(canvas, HORIZON, 196, (138, 198, 104), 2.2)


def _sunset(canvas: Canvas, rng: random.Random) -> None:
    for row, colour in enumerate([(250, 150, 110), (252, 176, 106), (254, 204, 116)]):
        _band(canvas, -4 + row * 48, 50 + row * 48, colour)
    x = 146 + rng.uniform(-8, 8)
    canvas.fill(ellipse((x, HORIZON - 12), 40, 40), (255, 240, 150), "scenery", 0)
    canvas.fill(ellipse((x, HORIZON - 12), 30, 30), (255, 112, 80), "scenery", 2.2)
    _band(canvas, HORIZON, 196, (92, 92, 160), 2.2)
    for row in range(3):
        y = HORIZON + 12 + row * 14
        for column in range(-1, 5):
            left = column * 48 + row * 17
            canvas.line(polygon((left, y), (left + 18, y)), "scenery", 2, (246, 186, 150))


def _woods(canvas: Canvas, rng: random.Random) -> None:
    _band(canvas, -4, HORIZON + 2, (204, 232, 214))
    for middle, height in ((54, 92), (96, 100), (138, 92), (14, 122), (178, 122)):
        x = middle + rng.uniform(-4, 4)
        _fir(canvas, x, height + rng.uniform(-5, 5), (72, 150, 92) if height > 110 else (104, 176, 116))
    _band(canvas, HORIZON, 196, (126, 180, 92), 2.2)


def _fir(canvas: Canvas, x: float, height: float, green: Colour) -> None:
    bottom = HORIZON + 1
    canvas.fill(
        polygon((x - 5, bottom - 24), (x + 5, bottom - 24), (x + 5, bottom), (x - 5, bottom)),
        (126, 88, 60),
        "scenery",
    )
    for row in range(3):
        base = bottom - 16 - row * height * 0.24
        half = 24 - row * 5
        tip = base - height * 0.42
        canvas.fill(polygon((x - half, base), (x, tip), (x + half, base)), green, "scenery")


def paint_shadow(canvas: Canvas, place: str, x: float) -> None:
    """The shadow on the ground under a full figure."""
    colours: dict[str, Colour] = {
        "paper": (222, 222, 228),
        "castle": (98, 152, 78),
        "sunset": (62, 62, 120),
        "woods": (86, 138, 66),
    }
    shadow = ellipse((x, 180), 34, 6, 0.0, int(8 + math.tau * 4))
    canvas.fill(shadow, colours[place], "scenery", 0)
