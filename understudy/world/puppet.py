"""The articulated puppet: a look and a pose become a painted figure, back to front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from understudy.domain import Attributes
from understudy.world.canvas import Canvas, Colour, Points, ellipse, limb, polygon, smooth, superellipse
from understudy.world.faces import paint_face
from understudy.world.poses import (
    HEAD_CENTRE,
    HEAD_RADIUS,
    HIP_Y,
    SHOULDER_Y,
    Joint,
    Joints,
    joints,
    prop_place,
)
from understudy.world.props import paint_prop

LAYERS = ("behind", "torso", "behind_head", "head", "over")


@dataclass(frozen=True)
class Frame:
    """Where the figure is, for the parts that are painted onto it (drawing units, see poses.py)."""

    view: str
    head: tuple[float, float]
    radius: float
    head_outline: Points
    torso_outline: Points
    middle: float
    drop: float

    def at_head(self, x: float, y: float) -> tuple[float, float]:
        """A point measured from the head's centre."""
        return self.head[0] + x, self.head[1] + y

    def at_body(self, x: float, y: float) -> tuple[float, float]:
        """A point measured from the middle line of the body, y as in poses.py."""
        return self.middle + x, y + self.drop


@dataclass(frozen=True)
class Part:
    """A distinguishing part: `layer` is one of LAYERS, `paint` draws it in any view."""

    layer: str
    paint: Callable[[Canvas, Frame], None]


@dataclass(frozen=True)
class Look:
    """All that a puppet needs to be painted. `head` gives the outline around (0, 0) for a view."""

    head: Callable[[str], Points]
    head_colour: Colour
    torso_colour: Colour
    arm_colour: Colour
    hand_colour: Colour
    leg_colour: Colour
    foot_colour: Colour
    outfit: str = "shirt"
    parts: tuple[Part, ...] = ()
    eyes: str = "round"
    blush: bool = True


def round_head(view: str, power: float = 2.2, rx: float = 1.0, ry: float = 1.0) -> Points:
    """The usual head; other shapes are made by other powers and radii."""
    return superellipse((0, 0), HEAD_RADIUS * rx, HEAD_RADIUS * ry, power)


def paint_puppet(
    canvas: Canvas, look: Look, wish: Attributes, middle: float
) -> dict[str, tuple[float, float]]:
    """Paint the figure with its middle line at x = `middle`; returns key points in picture units.

    `wish` needs view, pose, mood, gaze and prop.
    """
    view, prop = wish.view or "front", wish.prop or "none"
    pose = joints(wish.pose or "standing", view, prop)
    frame = _frame(look, pose, view, middle)
    _paint_parts(canvas, look, frame, "behind")
    _paint_legs(canvas, look, frame, pose)
    _paint_body(canvas, look, frame)
    _paint_parts(canvas, look, frame, "torso")
    if not pose.over:
        _paint_arms(canvas, look, frame, pose)
    _paint_parts(canvas, look, frame, "behind_head")
    canvas.fill(frame.head_outline, look.head_colour, "head")
    _paint_parts(canvas, look, frame, "head")
    if view != "back":
        paint_face(
            canvas, frame.head, view, wish.mood or "neutral", wish.gaze or "ahead", look.eyes, look.blush
        )
    _paint_parts(canvas, look, frame, "over")
    if prop == "book":
        paint_prop(canvas, prop, frame.at_body(*prop_place(view, prop)))
    if pose.over:
        _paint_arms(canvas, look, frame, pose)
    if prop not in ("none", "book"):
        paint_prop(canvas, prop, frame.at_body(*prop_place(view, prop)))
        _paint_hand(canvas, look, frame.at_body(*pose.hands[1]))
    points = {"head": frame.head, "left_hand": frame.at_body(*pose.hands[0])}
    points |= {"right_hand": frame.at_body(*pose.hands[1])}
    points |= {"left_foot": frame.at_body(*pose.feet[0]), "right_foot": frame.at_body(*pose.feet[1])}
    return {name: canvas.to_canvas_point(point) for name, point in points.items()}


def _frame(look: Look, pose: Joints, view: str, middle: float) -> Frame:
    forward = pose.lean * 40 if view == "side" else pose.lean * 20
    head = (middle + HEAD_CENTRE[0] + forward, HEAD_CENTRE[1] - pose.raised)
    narrow = 0.72 if view == "side" else 1.0
    drop = -pose.raised
    top, hip = 17.0 * narrow, 19.0 * narrow
    lean = forward * 0.6
    torso = smooth(
        [
            (middle - top + lean, SHOULDER_Y - 6 + drop),
            (middle + top + lean, SHOULDER_Y - 6 + drop),
            (middle + hip, HIP_Y - 2 + drop),
            (middle + hip * 0.8, HIP_Y + 6 + drop),
            (middle - hip * 0.8, HIP_Y + 6 + drop),
            (middle - hip, HIP_Y - 2 + drop),
        ]
    )
    outline = look.head(view) + (head[0], head[1])
    return Frame(view, head, HEAD_RADIUS, outline, torso, middle, drop)


def _paint_parts(canvas: Canvas, look: Look, frame: Frame, layer: str) -> None:
    for part in look.parts:
        if part.layer == layer:
            part.paint(canvas, frame)


def _paint_legs(canvas: Canvas, look: Look, frame: Frame, pose: Joints) -> None:
    hips = (-2.0, 2.0) if frame.view == "side" else (-9.0, 9.0)
    toe = 5.0 if frame.view == "side" else 0.0
    for hip, knee, foot in zip(hips, pose.knees, pose.feet, strict=True):
        ankle = (foot[0], foot[1] - 3)
        leg = limb([frame.at_body(hip, HIP_Y), frame.at_body(*knee), frame.at_body(*ankle)], 13, 11)
        canvas.fill(leg, look.leg_colour, "leg")
        x, y = frame.at_body(*foot)
        outward = toe if frame.view == "side" else (2.5 if foot[0] > 0 else -2.5)
        canvas.fill(ellipse((x + outward, y), 10.5, 6.5), look.foot_colour, "leg")


def _paint_body(canvas: Canvas, look: Look, frame: Frame) -> None:
    canvas.fill(frame.torso_outline, look.torso_colour, "body")
    match look.outfit:
        case "dress":
            narrow = 0.75 if frame.view == "side" else 1.0
            skirt = [(-15 * narrow, 122), (15 * narrow, 122), (30 * narrow, 156), (-30 * narrow, 156)]
            canvas.fill(polygon(*[frame.at_body(x, y) for x, y in skirt]), look.torso_colour, "body")
        case "overall":
            inner = [
                ((-21, 122), (21, 122), (21, 146), (-21, 146)),
                ((-9, 108), (9, 108), (9, 124), (-9, 124)),
            ]
            shapes = [(polygon(*[frame.at_body(x, y) for x, y in box]), look.leg_colour) for box in inner]
            canvas.paint_inside(frame.torso_outline, shapes, "body")
        case "shirt":
            trousers = polygon(
                *[frame.at_body(x, y) for x, y in ((-24, 132), (24, 132), (24, 148), (-24, 148))]
            )
            canvas.paint_inside(frame.torso_outline, [(trousers, look.leg_colour)], "body")
        case "none":
            pass
        case _:
            raise ValueError(f"no such outfit: {look.outfit}")


def _paint_arms(canvas: Canvas, look: Look, frame: Frame, pose: Joints) -> None:
    shoulders = (2.0, -2.0) if frame.view == "side" else (-16.0, 16.0)
    for shoulder, elbow, hand in zip(shoulders, pose.elbows, pose.hands, strict=True):
        joints_of_arm: list[Joint] = [(shoulder, SHOULDER_Y + 1), elbow, hand]
        arm = limb([frame.at_body(x, y) for x, y in joints_of_arm], 11, 9.5)
        canvas.fill(arm, look.arm_colour, "arm")
        _paint_hand(canvas, look, frame.at_body(*hand))


def _paint_hand(canvas: Canvas, look: Look, place: tuple[float, float]) -> None:
    canvas.fill(ellipse(place, 6.8, 6.8), look.hand_colour, "arm")
