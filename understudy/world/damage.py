"""Damaged pictures with their truth: what a weak model gets wrong in a figure.

Some damage is done while the figure is painted (`Spoiler`: limbs and eyes left out, doubled or bent), some to
the finished picture (smearing, blurring, two poses blended).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Attributes, Pixels
from understudy.world.canvas import INK, INK_WIDTH, PART_INDEX, SIZE, Canvas, Colour, Points, turned
from understudy.world.puppet import Look
from understudy.world.scenes import Painted, paint, possible
from understudy.world.vocabulary import POSES

DAMAGES = (
    "missing_eye",
    "extra_eye",
    "melted_face",
    "missing_arm",
    "extra_arm",
    "melted_arm",
    "missing_leg",
    "extra_leg",
    "melted_leg",
    "smeared",
    "blurred_head",
    "two_poses",
)
SPREAD_POSES = ("walking", "running", "jumping")  # in which a side view shows both limbs
VISIBLE_LEVELS = 40  # a pixel differs where a channel does by more than this many of 255 levels
VISIBLE_PIXELS = 100  # of 192 x 192
TRIES = 8


@dataclass(frozen=True)
class Damaged:
    """A damaged picture (192, 192, 3), the kind of damage, and (192, 192) True where it shows."""

    pixels: Pixels
    damage: str
    where: NDArray[np.bool_]


class Spoiler(Canvas):
    """A canvas on which one eye or limb of a puppet goes wrong: `how` is "missing", "extra" or "melted".

    Limbs come as two shapes each, a tube and its end, `number` says which limb of its part it is; eyes are
    told apart by their places.
    """

    def __init__(self, part: str, how: str, number: int, rng: random.Random) -> None:
        super().__init__(SIZE)
        self._part, self._how, self._number, self._rng = part, how, number, rng
        self._num_fills = 0
        self._first: Points | None = None
        self._turn = rng.choice((-1, 1)) * rng.uniform(0.6, 1.4)
        self._shift = _eye_shift(rng)
        self._phase = rng.uniform(0, math.tau)
        self._bend = rng.uniform(3, 6) if part != "arm" and part != "leg" else rng.uniform(5, 9)

    def fill(
        self,
        points: Points,
        colour: Colour,
        part: str,
        ink: float = INK_WIDTH,
        ink_colour: Colour = INK,
    ) -> None:
        """Paint a closed shape, or what the damage leaves of it."""
        for shape in self._spoilt(points, part, closed=True):
            super().fill(shape, colour, part, ink, ink_colour)

    def line(self, points: Points, part: str, width: float = INK_WIDTH, colour: Colour = INK) -> None:
        """Draw an open line, or what the damage leaves of it."""
        for shape in self._spoilt(points, part, closed=False):
            super().line(shape, part, width, colour)

    def _spoilt(self, points: Points, part: str, closed: bool) -> list[Points]:
        face = self._part == "eye" and self._how == "melted" and part in ("eye", "mouth", "brow")
        if (part != self._part and not face) or not self._is_mine(points, part):
            return [points]
        match self._how:
            case "missing":
                return []
            case "extra":
                return [points, self._elsewhere(points)]
            case "melted":
                return [self._melted(points)]
            case _:
                raise ValueError(f"nothing goes wrong so: {self._how}")

    def _is_mine(self, points: Points, part: str) -> bool:
        if self._part in ("arm", "leg"):
            self._num_fills += 1
            return (self._num_fills - 1) // 2 == self._number
        if self._how == "melted":
            return True
        if self._first is None:
            self._first = points
        near = abs(float(points[:, 0].mean() - self._first[:, 0].mean())) < 12
        return near == (self._number == 0)

    def _elsewhere(self, points: Points) -> Points:
        if self._part == "eye":
            return points + self._shift
        if self._first is None:
            self._first = points
        # Limbs hang on their upper ends, so the double is turned about that of the tube.
        root = self._first[np.argmin(self._first[:, 1])]
        return turned(points, self._turn, (float(root[0]), float(root[1]) + 3))

    def _melted(self, points: Points) -> Points:
        x, y = points[:, 0], points[:, 1]
        wave = self._bend * np.sin(y / 7 + self._phase), self._bend * np.sin(x / 6 + 2 * self._phase)
        melted: Points = points + np.stack(wave, axis=1)
        melted[:, 1] += self._bend * 0.8
        return melted


def _eye_shift(rng: random.Random) -> Points:
    return np.array(
        rng.choice(
            [(rng.uniform(-8, 8), -24.0), (rng.uniform(-4, 4), 20.0), (rng.choice((-16.0, 16.0)), 4.0)]
        )
    )


def damaged(look: Look, wish: Attributes, seed: int = 0) -> Damaged | None:
    """The scene that `scenes.paint` paints, with damage that shows; None if none of a few tries shows."""
    rng = random.Random(f"damage {seed}")
    whole = paint(look, wish, seed)
    for _ in range(TRIES):
        damage = rng.choice(suited(wish))
        spoilt = spoil(look, wish, whole, damage, rng, seed)
        where = visible(whole.pixels, spoilt)
        if where.sum() >= VISIBLE_PIXELS * (3 if damage == "smeared" else 1):
            return Damaged(spoilt, damage, where)
    return None


def visible(first: Pixels, second: Pixels, levels: int = VISIBLE_LEVELS) -> NDArray[np.bool_]:
    """Where two pictures (height, width, 3) differ so that it shows."""
    where: NDArray[np.bool_] = np.abs(first.astype(np.int16) - second).max(axis=2) > levels
    return where


def suited(wish: Attributes) -> list[str]:
    """The damages that a scene can show: a side view hides a far limb, and one arm less is then no damage."""
    names = list(DAMAGES)
    if wish.view == "back":
        names = [name for name in names if "eye" not in name and "face" not in name]
    if wish.view == "side" and wish.pose not in SPREAD_POSES:
        names = [name for name in names if name not in ("missing_arm", "missing_leg")]
    if wish.framing == "portrait":
        names = [name for name in names if "leg" not in name]
    return names


def spoil(look: Look, wish: Attributes, whole: Painted, damage: str, rng: random.Random, seed: int) -> Pixels:
    """One try of one kind of damage: a picture (192, 192, 3), which may show nothing of it."""
    match damage:
        case "smeared":
            return _smear(whole, rng)
        case "blurred_head":
            return _blur_head(whole, rng)
        case "two_poses":
            return _blend(look, wish, whole, rng, seed)
        case "melted_face":
            how, part = "melted", "eye"
        case _:
            how, part = damage.split("_")
    return paint(look, wish, seed, Spoiler(part, how, rng.randrange(2), rng)).pixels


def _disc(centre: tuple[float, float], radius: float) -> NDArray[np.float32]:
    """1 within `radius` of the centre, falling softly to 0: (192, 192, 1)."""
    y, x = np.mgrid[:SIZE, :SIZE]
    away = np.hypot(x - centre[0], y - centre[1]) / radius
    share: NDArray[np.float32] = np.clip(2.5 - 2 * away, 0, 1).astype(np.float32)[..., None]
    return share


def _mix(whole: Pixels, other: NDArray[np.float32], share: NDArray[np.float32]) -> Pixels:
    return np.round(whole * (1 - share) + other * share).clip(0, 255).astype(np.uint8)


def _smear(whole: Painted, rng: random.Random) -> Pixels:
    """Push a part of the figure about by a smooth random field."""
    figure = np.argwhere(whole.parts >= PART_INDEX["body"])
    y, x = figure[rng.randrange(len(figure))]
    field = np.random.default_rng(rng.randrange(1 << 32)).standard_normal((2, SIZE, SIZE)).astype(np.float32)
    scale = rng.uniform(5, 11)
    push = np.stack([cv2.GaussianBlur(layer, (0, 0), scale) for layer in field])
    push *= rng.uniform(12, 20) / (np.abs(push).max() + 1e-6)
    push *= _disc((float(x), float(y)), rng.uniform(18, 36))[None, ..., 0]
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    moved = cv2.remap(
        whole.pixels, columns + push[0], rows + push[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


def _blur_head(whole: Painted, rng: random.Random) -> Pixels:
    """Blur the head until the face is gone."""
    blurred = cv2.GaussianBlur(whole.pixels, (0, 0), rng.uniform(7, 14)).astype(np.float32)
    return _mix(whole.pixels, blurred, _disc(whole.points["head"], rng.uniform(30, 50)))


def _blend(look: Look, wish: Attributes, whole: Painted, rng: random.Random, seed: int) -> Pixels:
    """The scene and the same in another pose, one showing through the other."""
    pose = rng.choice([pose for pose in POSES if pose not in (wish.pose, "holding")])
    other = paint(look, possible(replace(wish, pose=pose, prop="none")), seed).pixels.astype(np.float32)
    share = np.full((SIZE, SIZE, 1), rng.uniform(0.35, 0.65), np.float32)
    return _mix(whole.pixels, other, share)
