"""What is painted on heroes: marks on the face, marks on the body. No training character has any of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from understudy.world.canvas import Canvas, Colour, Points, ellipse, polygon, smooth, star
from understudy.world.hero_heads import half_width, on_head
from understudy.world.hero_ornaments import spiral
from understudy.world.puppet import Frame

_HEART = ((0, -6), (5, -11), (11, -9), (12, -2), (6, 5), (0, 11), (-6, 5), (-12, -2), (-11, -9), (-5, -11))


def _on_face(canvas: Canvas, frame: Frame, shapes: Sequence[tuple[Points, Colour]]) -> None:
    canvas.paint_inside(frame.head_outline, shapes, "head")
    canvas.line(np.concatenate([frame.head_outline, frame.head_outline[:1]]), "head")


def patch(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A big patch around one eye: the one that a side view shows."""
    x = -17.0 if frame.view == "front" else 22.0
    _on_face(canvas, frame, [(ellipse(frame.at_head(x, 0), 17, 21), colour)])


def cheek_stars(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A star on each cheek."""
    for place in _cheeks(frame):
        canvas.fill(star(place, 10, 5, 0.5), colour, "head", 1.8)


def cheek_spirals(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A spiral on each cheek."""
    for place in _cheeks(frame):
        canvas.fill(ellipse(place, 8.5, 8.5), colour, "head", 1.8)
        canvas.line(spiral(place, 6, 1.6), "head", 2.2, accent)


def _cheeks(frame: Frame) -> list[tuple[float, float]]:
    if frame.view == "side":
        return [frame.at_head(2, 19)]
    x = min(30.0, half_width(frame, 18) - 9)
    return [frame.at_head(-x, 18), frame.at_head(x, 18)]


def gem(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A gem on the forehead."""
    x, y = frame.at_head(20 if frame.view == "side" else 0, -24)
    stone = polygon((x - 9, y - 3), (x - 5, y - 9), (x + 5, y - 9), (x + 9, y - 3), (x, y + 9))
    canvas.fill(stone, colour, "head", 2.2)
    canvas.fill(polygon((x - 4, y - 6), (x + 3, y - 6), (x - 1, y + 3)), accent, "head", 0)


def halves(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A head of two colours; a side view shows the coloured half's back."""
    side = {"front": -1, "side": -1, "back": 1}[frame.view]
    edge = -2.0 if frame.view == "side" else 0.0
    half = [
        (edge, -60),
        (edge + 6, -20),
        (edge - 6, 20),
        (edge, 60),
        (edge + side * 60, 60),
        (edge + side * 60, -60),
    ]
    _on_face(canvas, frame, [(on_head(frame, half), colour)])


def muzzle(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """The lower face in another colour, with a wavy upper edge."""
    x = 0.0 if frame.view == "front" else 24.0
    shape = [
        (x - 34, 26),
        (x - 24, 12),
        (x - 9, 15),
        (x, 9),
        (x + 9, 15),
        (x + 24, 12),
        (x + 34, 26),
        (x + 20, 46),
        (x - 20, 46),
    ]
    _on_face(canvas, frame, [(smooth(on_head(frame, shape)), colour)])


def band(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A painted band over the eyes, all around the head."""
    box = on_head(frame, [(-60, -10), (60, -10), (60, 14), (-60, 14)])
    edges = [on_head(frame, [(-60, y), (60, y), (60, y + 4), (-60, y + 4)]) for y in (-14, 14)]
    _on_face(canvas, frame, [(box, colour), *((edge, accent) for edge in edges)])


def side_stripes(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Wedges that point inwards from the rim of the head."""
    long = {"front": 22.0, "side": 40.0, "back": 42.0}[frame.view]
    shapes = []
    for side in (-1,) if frame.view == "side" else (-1, 1):
        for y, share in ((-12, 0.8), (5, 1.0), (22, 0.8)):
            rim = side * 52
            tip = rim - side * (8 + long * share)
            shapes.append((on_head(frame, [(rim, y - 8), (tip, y + 2), (rim, y + 8)]), colour))
    _on_face(canvas, frame, shapes)


def face_heart(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A heart-shaped face plate, like a barn owl's."""
    x = 0.0 if frame.view == "front" else 16.0
    right = [(0.0, -11.0), (10, -24), (24, -23), (32, -6), (27, 16), (14, 32), (0, 40)]
    heart = [*right, *((-px, py) for px, py in reversed(right) if px)]
    _on_face(canvas, frame, [(smooth(on_head(frame, [(x + px, py) for px, py in heart])), colour)])


def diamonds(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A harlequin's diamond over each eye."""
    shapes = []
    for x in (-16.0, 16.0) if frame.view == "front" else (22.0,):
        shapes.append((on_head(frame, [(x, -29), (x + 14, 2), (x, 33), (x - 14, 2)]), colour))
    _on_face(canvas, frame, shapes)


def _on_body(
    canvas: Canvas, frame: Frame, shapes: Sequence[tuple[Sequence[tuple[float, float]], Colour]]
) -> None:
    placed = [(polygon(*(frame.at_body(x, y) for x, y in shape)), colour) for shape, colour in shapes]
    canvas.paint_inside(frame.torso_outline, placed, "body")
    canvas.line(np.concatenate([frame.torso_outline, frame.torso_outline[:1]]), "body")


def zigzag(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A bold zigzag band around the body."""
    top = [(-30 + 7.5 * index, 113 if index % 2 else 122) for index in range(9)]
    _on_body(canvas, frame, [([*top, *((x, y + 11) for x, y in reversed(top))], colour)])


def checks(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A chessboard."""
    squares = []
    for row in range(5):
        for column in range(-3, 3):
            if (row + column) % 2 == 0:
                x, y = column * 9.0, 103 + row * 9.0
                squares.append((((x, y), (x + 9, y), (x + 9, y + 9), (x, y + 9)), colour))
    _on_body(canvas, frame, squares)


def sash(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A broad sash from one shoulder to the other hip."""
    side = 1 if frame.view == "back" else -1
    slant = [(side * 22, 98), (side * 8, 98), (-side * 24, 130), (-side * 24, 144)]
    edge = [(side * 25, 98), (side * 22, 98), (-side * 24, 144), (-side * 24, 147)]
    _on_body(canvas, frame, [(slant, colour), (edge, accent)])


def split(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A body of two colours, left and right."""
    side = {"front": 1, "side": 1, "back": -1}[frame.view]
    edge = 0.0 if frame.view != "side" else 1.0
    _on_body(canvas, frame, [([(edge, 96), (side * 30, 96), (side * 30, 150), (edge, 150)], colour)])


def chevrons(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Three chevrons, one below the other, around the body."""
    shapes = []
    for y in (104, 117, 130):
        shapes.append(
            (((-26, y - 7), (0, y + 6), (26, y - 7), (26, y - 1), (0, y + 12.5), (-26, y - 1)), colour)
        )
    _on_body(canvas, frame, shapes)


def scales(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Rows of big scales."""
    shapes = []
    for row, y in reversed(list(enumerate((107, 118, 129, 140)))):
        for column in range(-2, 3):
            x = column * 13 + (6.5 if row % 2 else 0)
            around = [(x + 6.5 * math.cos(a), y + 9 * math.sin(a)) for a in np.linspace(0, math.pi, 12)]
            shapes.append(
                ((*around, (x - 6.5, y - 6), (x + 6.5, y - 6)), colour if (row + column) % 2 else accent)
            )
    _on_body(canvas, frame, shapes)


def star_emblem(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A star on the chest."""
    canvas.fill(star(frame.at_body(0, 123), 14, 5, 0.5), colour, "body", 2)


def heart_emblem(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A heart on the chest."""
    canvas.fill(smooth([frame.at_body(x, 123 + y) for x, y in _HEART]), colour, "body", 2)


def spiral_belly(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A belly with a spiral."""
    centre = frame.at_body(0, 124)
    canvas.fill(ellipse(centre, 14, 15), colour, "body", 2)
    canvas.line(spiral(centre, 11, 2.0), "body", 3.4, accent)


def diamond_emblem(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A diamond within a diamond."""
    for half, hue in ((1.0, colour), (0.5, accent)):
        corners = [(0, 123 - 18 * half), (14 * half, 123), (0, 123 + 18 * half), (-14 * half, 123)]
        canvas.fill(polygon(*(frame.at_body(x, y) for x, y in corners)), hue, "body", 2 if half == 1 else 0)


def bolt_emblem(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """A lightning bolt on the chest."""
    bolt = [(3, 106), (-11, 126), (-2, 126), (-6, 141), (11, 119), (2, 119), (10, 106)]
    canvas.fill(polygon(*(frame.at_body(x, y) for x, y in bolt)), colour, "body", 2)


def target(canvas: Canvas, frame: Frame, colour: Colour, accent: Colour) -> None:
    """Rings on the chest."""
    for radius, hue in ((14.0, colour), (9.0, accent), (4.5, colour)):
        canvas.fill(ellipse(frame.at_body(0, 123), radius, radius), hue, "body", 2 if radius == 14 else 0)
