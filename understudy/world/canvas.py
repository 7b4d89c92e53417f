"""Anti-aliased vector drawing: the one place that knows how shapes become pixels.

Everything is drawn in units of the finished picture (192 x 192 by default) on a canvas `OVERSAMPLE` times
as large, which is averaged down at the end. Each fill also writes the part's number into a part map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Pixels

SIZE = 192
OVERSAMPLE = 3
SUBPIXEL_BITS = 4
INK = (38, 33, 43)
INK_WIDTH = 2.6

PARTS = ("paper", "scenery", "body", "arm", "leg", "head", "hair", "eye", "mouth", "brow", "prop", "ornament")
# What is hardest to keep and to draw, and what a reader looks at first.
FACE_PARTS = ("eye", "mouth", "brow", "prop")
PART_INDEX = {name: index for index, name in enumerate(PARTS)}

Points = NDArray[np.float64]
Colour = tuple[int, int, int]


class Canvas:
    """A picture being painted, back to front, through one affine transform from drawing to canvas units."""

    def __init__(self, size: int = SIZE, background: Colour = (255, 255, 255)) -> None:
        self.size = size
        side = size * OVERSAMPLE
        # A row first: numpy takes eighty times as long to repeat three numbers as to repeat a row.
        row = np.tile(np.array(background, np.uint8), (side, 1))
        self._pixels = np.empty((side, side, 3), np.uint8)
        self._pixels[:] = row
        self._parts = np.zeros((side, side), np.uint8)
        self._matrix = np.eye(2)
        self._offset = np.zeros(2)

    def place(self, scale: float, centre: tuple[float, float], about: tuple[float, float]) -> None:
        """From now on, the drawing point `about` lands on `centre`, enlarged by `scale`."""
        self._matrix = np.eye(2) * scale
        self._offset = np.asarray(centre) - scale * np.asarray(about)

    def _to_canvas(self, points: Points) -> NDArray[np.int32]:
        moved = (points @ self._matrix.T + self._offset) * OVERSAMPLE - 0.5
        return np.round(moved * (1 << SUBPIXEL_BITS)).astype(np.int32)

    def _thickness(self, width: float) -> int:
        scale = math.sqrt(abs(float(np.linalg.det(self._matrix))))
        return max(1, round(width * (0.6 + 0.4 * scale) * OVERSAMPLE))

    def fill(
        self,
        points: Points,
        colour: Colour,
        part: str,
        ink: float = INK_WIDTH,
        ink_colour: Colour = INK,
    ) -> None:
        """Paint a closed shape, (n, 2) points, with an outline of width `ink` (0 for none)."""
        corners = self._to_canvas(points)
        cv2.fillPoly(self._pixels, [corners], colour, cv2.LINE_8, SUBPIXEL_BITS)
        cv2.fillPoly(self._parts, [corners], PART_INDEX[part], cv2.LINE_8, SUBPIXEL_BITS)
        if ink > 0:
            self._outline(corners, ink, ink_colour, part, closed=True)

    def line(self, points: Points, part: str, width: float = INK_WIDTH, colour: Colour = INK) -> None:
        """Draw an open line with round ends."""
        self._outline(self._to_canvas(points), width, colour, part, closed=False)

    def _outline(
        self, corners: NDArray[np.int32], width: float, colour: Colour, part: str, closed: bool
    ) -> None:
        thickness = self._thickness(width)
        cv2.polylines(self._pixels, [corners], closed, colour, thickness, cv2.LINE_8, SUBPIXEL_BITS)
        cv2.polylines(self._parts, [corners], closed, PART_INDEX[part], thickness, cv2.LINE_8, SUBPIXEL_BITS)

    def paint_inside(self, outline: Points, inner: Sequence[tuple[Points, Colour]], part: str) -> None:
        """Paint flat shapes clipped to `outline`: patterns on a body, spots on a head."""
        stencil, around = np.zeros(self._parts.shape, np.uint8), self._to_canvas(outline)
        cv2.fillPoly(stencil, [around], 1, cv2.LINE_8, SUBPIXEL_BITS)
        window = self._window(around)
        pixels, parts = self._pixels[window], self._parts[window]
        for points, colour in inner:
            layer = np.zeros_like(stencil)
            cv2.fillPoly(layer, [self._to_canvas(points)], 1, cv2.LINE_8, SUBPIXEL_BITS)
            where = (layer[window] & stencil[window]).astype(bool)
            pixels[where] = colour
            parts[where] = PART_INDEX[part]

    def _window(self, corners: NDArray[np.int32]) -> tuple[slice, slice]:
        """The rows and columns of the canvas that a shape can touch."""
        side = len(self._parts)
        left, top = np.clip((corners.min(0) >> SUBPIXEL_BITS) - 1, 0, side)
        right, bottom = np.clip((corners.max(0) >> SUBPIXEL_BITS) + 3, 0, side)
        return slice(int(top), int(bottom)), slice(int(left), int(right))

    def to_canvas_point(self, point: tuple[float, float]) -> tuple[float, float]:
        """Where a drawing point lies in the finished picture."""
        x, y = np.asarray(point) @ self._matrix.T + self._offset
        return float(x), float(y)

    def finish(self) -> tuple[Pixels, Pixels]:
        """The picture (size, size, 3) and its part map (size, size), indices into PARTS."""
        size = (self.size, self.size)
        pixels = cv2.resize(self._pixels, size, interpolation=cv2.INTER_AREA)
        middle = OVERSAMPLE // 2
        parts = self._parts[middle::OVERSAMPLE, middle::OVERSAMPLE]
        return np.ascontiguousarray(pixels), np.ascontiguousarray(parts)


def ellipse(centre: tuple[float, float], rx: float, ry: float, turn: float = 0.0, num: int = 40) -> Points:
    """An ellipse, turned by `turn` radians."""
    return superellipse(centre, rx, ry, 2.0, turn, num)


def superellipse(
    centre: tuple[float, float], rx: float, ry: float, power: float, turn: float = 0.0, num: int = 48
) -> Points:
    """|x/rx|^p + |y/ry|^p = 1: round at power 2, a soft square at 4."""
    angle = np.linspace(0, 2 * math.pi, num, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    points: Points = np.stack(
        [rx * np.sign(c) * np.abs(c) ** (2 / power), ry * np.sign(s) * np.abs(s) ** (2 / power)], axis=1
    )
    moved: Points = turned(points, turn) + np.asarray(centre)
    return moved


def turned(points: Points, turn: float, about: tuple[float, float] = (0.0, 0.0)) -> Points:
    """Points turned by `turn` radians, clockwise on the page."""
    c, s = math.cos(turn), math.sin(turn)
    middle = np.asarray(about)
    result: Points = (points - middle) @ np.array([[c, s], [-s, c]]) + middle
    return result


def polygon(*corners: tuple[float, float]) -> Points:
    """Straight-edged shape."""
    return np.asarray(corners, np.float64)


def smooth(corners: Sequence[tuple[float, float]] | Points, closed: bool = True, num: int = 8) -> Points:
    """A Catmull-Rom curve through the corners, `num` points a span."""
    knots = np.asarray(corners, np.float64)
    if closed:
        before, after, after2 = np.roll(knots, 1, 0), np.roll(knots, -1, 0), np.roll(knots, -2, 0)
        spans = [before, knots, after, after2]
    else:
        padded = np.concatenate([knots[:1], knots, knots[-1:]])
        spans = [padded[:-3], padded[1:-2], padded[2:-1], padded[3:]]
    t = np.linspace(0, 1, num, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (span[:, None, :] for span in spans)
    curve = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    points = curve.reshape(-1, 2)
    return points if closed else np.concatenate([points, knots[-1:]])


def arc(
    centre: tuple[float, float], rx: float, ry: float, start: float, stop: float, num: int = 16
) -> Points:
    """Part of an ellipse from angle `start` to `stop` in degrees, clockwise on the page from the right."""
    angle = np.radians(np.linspace(start, stop, num))
    return np.stack([centre[0] + rx * np.cos(angle), centre[1] + ry * np.sin(angle)], axis=1)


def limb(joints: Sequence[tuple[float, float]], width: float, end_width: float | None = None) -> Points:
    """A bent tube through the joints, with round ends: an arm or a leg."""
    path = smooth(joints, closed=False, num=6)
    widths = np.linspace(width, width if end_width is None else end_width, len(path)) / 2
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    left, right = path + across * widths[:, None], path - across * widths[:, None]
    end = math.degrees(math.atan2(along[-1, 1], along[-1, 0]))
    tip = arc(tuple(path[-1]), widths[-1], widths[-1], end + 90, end - 90, 8)
    start = math.degrees(math.atan2(along[0, 1], along[0, 0]))
    root = arc(tuple(path[0]), widths[0], widths[0], start + 270, start + 90, 8)
    return np.concatenate([left, tip, right[::-1], root])


def star(centre: tuple[float, float], radius: float, num: int = 5, inner: float = 0.45) -> Points:
    """A star with `num` points, the first one up."""
    angle = -math.pi / 2 + np.arange(2 * num) * math.pi / num
    lengths = radius * np.where(np.arange(2 * num) % 2 == 0, 1.0, inner)
    return np.stack([centre[0] + lengths * np.cos(angle), centre[1] + lengths * np.sin(angle)], axis=1)
