"""Shapes and patterns of no kind, worn anywhere: what the judge learns to keep in mind.

An ornament follows from a seed. It is seen from all sides as a thing would be: narrowed and moved in a side
view (which faces right), mirrored from behind, and hidden there if it is on the face.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np

from understudy.pretrain.finery import Colours, decorate, rich_colours
from understudy.world.canvas import INK, Canvas, Colour, Points, ellipse, limb, polygon, smooth
from understudy.world.palette import shade
from understudy.world.puppet import Frame, Part
from understudy.world.shapes import random_colour, random_shape

Shapes = list[tuple[Points, Colour]]

ANCHORS = (
    "crown", "crown", "pair_on_top", "row_on_top", "sides", "mane", "head_pattern", "head_band", "mark",
    "nose", "wings", "back_piece", "tail_piece", "torso_pattern", "torso_pattern", "badge", "collar", "belt",
    "skirt",
)  # fmt: skip


@dataclass(frozen=True)
class Ornament:
    """What is worn at one of ANCHORS; a rich one, of several colours, has something `inside`, a seed."""

    anchor: str
    colour: Colour
    seed: int
    size: float
    inside: int | None = None

    @property
    def is_rich(self) -> bool:
        """Whether it has several colours."""
        return self.inside is not None

    @property
    def colours(self) -> Colours:
        """Of a rich one, its own first."""
        return rich_colours(random.Random(f"rich {self.inside}"), self.colour)

    def colour_of(self, index: int) -> Colour:
        """The colour of one of its shapes: in half of the rich rows they take turns."""
        takes_turns = self.is_rich and self.anchor == "row_on_top"
        if takes_turns and random.Random(f"row {self.seed}").random() < 0.5:
            return self.colours[index % len(self.colours)]
        return self.colour


def ornament_parts(worn: Ornament) -> tuple[Part, ...]:
    """The parts of an ornament."""
    layer = {
        "head_pattern": "head",
        "mark": "head",
        "nose": "head",
        "head_band": "over",
        "wings": "behind",
        "back_piece": "behind",
        "tail_piece": "behind",
        "torso_pattern": "torso",
        "badge": "torso",
        "belt": "torso",
        "skirt": "torso",
        "collar": "behind_head",
    }.get(worn.anchor, "behind_head")
    if layer == "behind" and random.Random(f"side {worn.seed}").random() < 0.6:
        # What hangs on the back lies before the body when seen from there.
        front = Part("behind", lambda canvas, frame: _unless_back(canvas, frame, worn))
        back = Part("torso", lambda canvas, frame: _if_back(canvas, frame, worn))
        return front, back
    return (Part(layer, lambda canvas, frame: _paint(canvas, frame, worn)),)


def _unless_back(canvas: Canvas, frame: Frame, worn: Ornament) -> None:
    if frame.view != "back":
        _paint(canvas, frame, worn)


def _if_back(canvas: Canvas, frame: Frame, worn: Ornament) -> None:
    if frame.view == "back":
        _paint(canvas, frame, worn)


def _paint(canvas: Canvas, frame: Frame, worn: Ornament) -> None:
    anchor, colour, size = worn.anchor, worn.colour, worn.size
    rng = random.Random(f"ornament {anchor} {worn.seed}")
    second = shade(colour, rng.choice((-0.5, 0.4))) if rng.random() < 0.6 else random_colour(rng)
    if anchor in ("head_pattern", "torso_pattern"):
        outline = frame.head_outline if anchor == "head_pattern" else frame.torso_outline
        centre = frame.head if anchor == "head_pattern" else frame.at_body(0, 122)
        if worn.is_rich:
            _decorate(canvas, worn, outline, own=True)
            return
        canvas.paint_inside(outline, _pattern(rng, frame.view, centre, colour, second, size), "ornament")
        return
    if anchor in ("mark", "nose") and frame.view == "back":
        return
    ink = rng.choice((0.0, 1.6, 2.2, 2.6, 2.6, 2.6))
    ink_colour = INK if rng.random() < 0.85 else random_colour(rng)
    smaller = rng.uniform(0.4, 0.65) if rng.random() < 0.4 else 0.0
    for index, shape in enumerate(_shapes(rng, frame, anchor, size)):
        canvas.fill(shape, worn.colour_of(index), "ornament", ink, ink_colour)
        if worn.is_rich:
            _decorate(canvas, worn, shape)
        elif smaller:
            middle = shape.mean(axis=0)
            canvas.fill((shape - middle) * smaller + middle, second, "ornament", 0)


def _decorate(canvas: Canvas, worn: Ornament, outline: Points, own: bool = False) -> None:
    """Draw inside a shape the same from all sides; `own` where the first colour is seen too."""
    colours = (worn.colours[-1], *worn.colours) if own else worn.colours
    decorate(canvas, random.Random(f"inside {worn.inside}"), outline, colours)


def _shapes(rng: random.Random, frame: Frame, anchor: str, size: float) -> list[Points]:
    """The closed shapes of an ornament where they are seen in the frame's view."""
    x, y = frame.head
    back = {"front": 0.0, "side": -9.0, "back": 0.0}[frame.view]
    mirror = -1 if frame.view == "back" else 1
    narrow = 0.55 if frame.view == "side" else 1.0
    match anchor:
        case "crown":
            dx, across = rng.choice((0.0, rng.uniform(-20, 20))), rng.uniform(18, 44) * size
            shape = random_shape(rng, (0.0, 0.0), across)
            shape[:, 0] *= mirror
            return [_moved(shape, x + mirror * dx * narrow, y - 38 - rng.uniform(0, 0.3) * across)]
        case "pair_on_top" | "sides":
            low, high = (18.0, 32.0) if anchor == "pair_on_top" else (34.0, 42.0)
            dx, across = rng.uniform(low, high), rng.uniform(16, 36) * size
            dy = rng.uniform(-42, -28) if anchor == "pair_on_top" else rng.uniform(-16, 18)
            shape = random_shape(rng, (0.0, 0.0), across)
            both = [shape * (side, 1) + (x + back + side * dx * narrow, y + dy) for side in (-1, 1)]
            return both if frame.view != "side" or rng.random() < 0.7 else both[:1]
        case "row_on_top":
            num, across = rng.randrange(3, 8), rng.uniform(11, 24) * size
            shape = random_shape(rng, (0.0, 0.0), across)
            spread, reach = rng.uniform(0.5, 1.4), rng.uniform(36, 44)
            turns = np.linspace(-spread, spread, num)
            return [
                _moved(shape, x + back * 0.6 + reach * math.sin(t), y - reach * math.cos(t)) for t in turns
            ]
        case "mane":
            across = rng.uniform(88, 112) * size**0.4
            shape = random_shape(rng, (0.0, 0.0), across)
            return [_moved(shape, x + back, y + rng.uniform(-8, 12))]
        case "head_band":
            top, height = rng.uniform(-30, -16), rng.uniform(6, 12) * size
            half = 38 * math.sqrt(max(0.2, 1 - (top / 39) ** 2)) + rng.uniform(0, 3)
            bend = rng.uniform(-5, 5)
            corners = [(-half, top), (0, top + bend), (half, top), (half, top + height)]
            corners += [(0, top + height + bend), (-half, top + height)]
            return [polygon(*[(x + cx, y + cy) for cx, cy in corners])]
        case "mark":
            dx, dy, across = rng.uniform(-30, 30), rng.choice((-24.0, 17.0)), rng.uniform(9, 18) * size
            if dy > 0:
                dx = math.copysign(max(20.0, abs(dx)), dx)
            place = (x + dx * 0.5 + 10, y + dy) if frame.view == "side" else (x + dx, y + dy)
            return [random_shape(rng, place, across)]
        case "nose":
            across = rng.uniform(9, 18) * size
            return [random_shape(rng, (x + (33 if frame.view == "side" else 0), y + 13), across)]
        case "wings":
            dx, dy, across = rng.uniform(24, 36), rng.uniform(108, 124), rng.uniform(30, 56) * size
            shape = random_shape(rng, (0.0, 0.0), across)
            sides = (-1,) if frame.view == "side" else (-1, 1)
            return [shape * (side, 1) + frame.at_body(side * dx * (0.8 * narrow + 0.2), dy) for side in sides]
        case "back_piece":
            across, dy = rng.uniform(56, 84) * size**0.6, rng.uniform(116, 132)
            shape = random_shape(rng, (0.0, 0.0), across) * (0.7 * narrow + 0.3, 1)
            return [shape + frame.at_body(back * 1.6, dy)]
        case "tail_piece":
            ends = [
                (rng.uniform(24, 36), rng.uniform(128, 150)),
                (rng.uniform(36, 48), rng.uniform(104, 140)),
            ]
            width, tip = rng.uniform(5, 11), rng.uniform(4, 12) * size
            side = 1 if frame.view == "back" else -1
            path = [frame.at_body(side * dx, dy) for dx, dy in [(8.0, 138.0), *ends]]
            end = random_shape(rng, path[-1], tip * 2.4)
            return [limb(path, width, width * 0.8), end]
        case "badge":
            place = frame.at_body(mirror * rng.uniform(-9, 9) * narrow, rng.uniform(110, 128))
            if rng.random() < 0.5 and frame.view == "back":
                return []
            return [random_shape(rng, place, rng.uniform(11, 22) * size)]
        case "collar":
            half, height = rng.uniform(19, 28) * (0.8 * narrow + 0.2), rng.uniform(6, 13) * size
            drop = rng.uniform(0, 10)
            path = [(-half, 101), (0, 99 + drop), (half, 101), (half, 101 + height), (0, 103 + drop + height)]
            return [smooth([frame.at_body(cx, cy) for cx, cy in [*path, (-half, 101 + height)]])]
        case "belt":
            half, top, height = 20.0 * (0.8 * narrow + 0.2), rng.uniform(124, 134), rng.uniform(4, 8) * size
            box = [(-half, top), (half, top), (half, top + height), (-half, top + height)]
            return [polygon(*[frame.at_body(cx, cy) for cx, cy in box])]
        case "skirt":
            num, low = rng.randrange(2, 6), rng.uniform(144, 160)
            half = rng.uniform(22, 34) * (0.8 * narrow + 0.2)
            hem = [
                (half - 2 * half * k / (2 * num), low - (k % 2) * rng.uniform(0, 8))
                for k in range(2 * num + 1)
            ]
            path = [(-15 * narrow, 126), (15 * narrow, 126), *hem]
            return [polygon(*[frame.at_body(cx, cy) for cx, cy in path])]
        case _:
            raise ValueError(f"no such anchor: {anchor}")


def _moved(points: Points, x: float, y: float) -> Points:
    moved: Points = points + np.array((x, y))
    return moved


def _pattern(
    rng: random.Random, view: str, centre: tuple[float, float], colour: Colour, second: Colour, size: float
) -> Shapes:
    """Stripes, dots, a half, a patch or a few blots around `centre`, to be clipped to a body."""
    x, y = centre
    match rng.randrange(5):
        case 0:
            gap, turn = rng.uniform(8, 18), rng.choice((0.0, math.pi / 2, rng.uniform(0, math.pi)))
            c, s = math.cos(turn), math.sin(turn)
            stripe = polygon((-60, -gap * 0.25), (60, -gap * 0.25), (60, gap * 0.25), (-60, gap * 0.25))
            stripe = stripe * (1, size) @ np.array([[c, s], [-s, c]])
            rows = [(row - 3) * gap for row in range(7)]
            return [(_moved(stripe, x - s * away, y + c * away), colour) for away in rows]
        case 1:
            gap = rng.uniform(10, 18)
            dot = random_shape(rng, (0.0, 0.0), gap * 0.62 * size)
            places = [
                (col * gap + (row % 2) * gap / 2, row * gap) for row in range(-3, 4) for col in range(-3, 4)
            ]
            return [(_moved(dot, x + dx, y + dy), colour) for dx, dy in places]
        case 2:
            if rng.random() < 0.5 and view != "side":
                side = rng.choice((-1, 1)) * (-1 if view == "back" else 1)
                return [
                    (
                        polygon((x, y - 60), (x + side * 60, y - 60), (x + side * 60, y + 60), (x, y + 60)),
                        colour,
                    )
                ]
            level = y + rng.uniform(-18, 10)
            return [(polygon((x - 60, level), (x + 60, level), (x + 60, y + 60), (x - 60, y + 60)), colour)]
        case 3:
            if rng.random() < 0.5 and view == "back":
                return []
            ahead = 14 if view == "side" else 0
            outer = random_shape(rng, (x + ahead, y + rng.uniform(-8, 10)), rng.uniform(24, 50) * size)
            middle = outer.mean(axis=0)
            return [(outer, colour), ((outer - middle) * 0.5 + middle, second)]
        case _:
            mirror = -1 if view == "back" else 1
            blots = []
            for _ in range(rng.randrange(3, 7)):
                place = (x + mirror * rng.uniform(-30, 30), y + rng.uniform(-34, 20))
                blots.append((ellipse(place, rng.uniform(4, 9) * size, rng.uniform(4, 9) * size), colour))
            return blots
