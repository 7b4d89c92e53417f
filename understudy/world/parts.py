"""The parts of the training world's characters: hair, ears, topknots, patterns of clothes, things worn.

No hero uses any of them; see heroes.py for theirs.
"""

from __future__ import annotations

from understudy.world.canvas import Canvas, Colour, Points, arc, ellipse, limb, polygon, smooth, superellipse
from understudy.world.palette import shade
from understudy.world.puppet import Frame, Part


def hair(style: str, colour: Colour) -> tuple[Part, ...]:
    """Hair in every view: a cap of hair on the head, and what hangs or stands behind it."""
    return (
        Part("behind_head", lambda canvas, frame: _hair_behind(canvas, frame, style, colour)),
        Part("head", lambda canvas, frame: _hair_cap(canvas, frame, style, colour)),
    )


def _hair_behind(canvas: Canvas, frame: Frame, style: str, colour: Colour) -> None:
    x, y = frame.head
    back = {"front": 0.0, "back": 0.0, "side": -10.0}[frame.view]
    match style:
        case "long":
            canvas.fill(superellipse((x + back, y + 16), 41 if not back else 34, 48, 3.2), colour, "hair")
        case "bob":
            canvas.fill(superellipse((x + back, y + 4), 43 if not back else 35, 38, 3.0), colour, "hair")
        case "ponytail":
            tail_x = x + (38 if frame.view == "front" else -38)
            canvas.fill(
                smooth(
                    [
                        (tail_x, y - 18),
                        (tail_x + (12 if frame.view == "front" else -12), y + 6),
                        (tail_x, y + 34),
                        (tail_x - 6, y + 4),
                    ]
                ),
                colour,
                "hair",
            )
        case "buns":
            for side in (-1, 1) if frame.view != "side" else (-1,):
                canvas.fill(ellipse((x + side * 29, y - 31), 14, 14), colour, "hair")
        case "spiky":
            spikes = []
            for index in range(7):
                bend = -1.25 + index * 0.42
                spikes += [
                    (x + back + 36 * (bend - 0.2) * 0.8, y - 24 + 14 * abs(bend - 0.2)),
                    (x + back + 52 * bend * 0.8, y - 52 + 22 * abs(bend)),
                ]
            spikes += [(x + back + 40, y), (x + back - 40, y)]
            canvas.fill(polygon(*spikes), colour, "hair")
        case "curly":
            for index in range(8):
                around = arc((x + back * 0.6, y - 2), 36, 34, 165, 375, 8)[index]
                canvas.fill(ellipse((float(around[0]), float(around[1])), 12, 12), colour, "hair")
        case _:
            pass


def _hair_cap(canvas: Canvas, frame: Frame, style: str, colour: Colour) -> None:
    x, y = frame.head
    if frame.view == "back":
        shape = frame.head_outline if style != "short" else superellipse((x, y - 6), 38, 33, 2.4)
        canvas.fill(shape, colour, "hair")
        return
    top = arc((x, y), 39, 39, 186, 354, 24)
    if frame.view == "front":
        fringe = [(x + 33, y - 12), (x + 14, y - 22), (x + 4, y - 14), (x - 12, y - 20), (x - 33, y - 10)]
        canvas.fill(polygon(*map(tuple, top), *fringe), colour, "hair")
        return
    back = arc((x, y), 39, 39, 130, 345, 30)
    fringe = [(x + 24, y - 18), (x + 4, y - 16), (x - 8, y + 4), (x - 12, y + 22)]
    canvas.fill(polygon(*map(tuple, back), *fringe), colour, "hair")


def ears(kind: str, colour: Colour) -> tuple[Part, ...]:
    """A pair of ears; a side view shows both, one behind the other."""
    if kind == "none":
        return ()
    return (Part("behind_head", lambda canvas, frame: _ears(canvas, frame, kind, colour)),)


def _ears(canvas: Canvas, frame: Frame, kind: str, colour: Colour) -> None:
    x, y = frame.head
    inner = shade(colour, -0.45)
    shift = -4 if frame.view == "side" else 0
    gap = 0.55 if frame.view == "side" else 1.0
    for side in (-1, 1):
        middle = x + shift + side * 25 * gap
        match kind:
            case "pointed":
                outer = polygon((middle - 14, y - 20), (middle + side * 6, y - 56), (middle + 14, y - 20))
                tip = polygon((middle - 6, y - 28), (middle + side * 5, y - 46), (middle + 7, y - 28))
            case "round":
                outer = ellipse((middle + side * 2, y - 30), 13, 13)
                tip = ellipse((middle + side * 2, y - 30), 7, 7)
            case "long":
                outer = ellipse((middle - side * 8, y - 42), 8.5, 22, side * 0.15)
                tip = ellipse((middle - side * 8, y - 42), 4, 15, side * 0.15)
            case "floppy":
                outer = ellipse((middle + side * 15 * gap, y - 4), 10, 24, -side * 0.3)
                tip = ellipse((middle + side * 15 * gap, y), 5, 15, -side * 0.3)
            case _:
                raise ValueError(f"no such ears: {kind}")
        canvas.fill(outer, colour, "ornament")
        if frame.view != "back":
            canvas.fill(tip, inner, "ornament", 0)


def topknot(kind: str, colour: Colour) -> tuple[Part, ...]:
    """What stands on a head without hair."""
    if kind == "none":
        return ()
    layer = "head" if kind == "spots" else "behind_head"
    return (Part(layer, lambda canvas, frame: _topknot(canvas, frame, kind, colour)),)


def _topknot(canvas: Canvas, frame: Frame, kind: str, colour: Colour) -> None:
    x, y = frame.head
    match kind:
        case "antenna":
            canvas.fill(limb([(x, y - 30), (x, y - 48)], 5), (170, 172, 182), "ornament")
            canvas.fill(ellipse((x, y - 52), 7.5, 7.5), colour, "ornament")
        case "tuft":
            for turn in (-0.5, 0.0, 0.5):
                canvas.fill(ellipse((x + turn * 22, y - 44), 6, 15, turn), colour, "ornament")
        case "bump":
            canvas.fill(ellipse((x, y - 38), 17, 14), colour, "ornament")
        case "spots":
            spots = [((-22.0, -20.0), 8.0), ((4.0, -28.0), 6.0), ((24.0, -16.0), 7.0)]
            inner = [(ellipse((x + place[0], y + place[1]), size, size), colour) for place, size in spots]
            canvas.paint_inside(frame.head_outline, inner, "ornament")
        case _:
            raise ValueError(f"no such topknot: {kind}")


def pattern(kind: str, colour: Colour) -> tuple[Part, ...]:
    """A pattern on the clothes' top."""
    if kind == "plain":
        return ()
    return (Part("torso", lambda canvas, frame: _pattern(canvas, frame, kind, colour)),)


def _pattern(canvas: Canvas, frame: Frame, kind: str, colour: Colour) -> None:
    inner: list[tuple[Points, Colour]] = []
    if kind == "striped":
        for y in (109, 119, 129):
            inner.append(
                (
                    polygon(
                        *[frame.at_body(dx, y + dy) for dx, dy in ((-24, 0), (24, 0), (24, 4.5), (-24, 4.5))]
                    ),
                    colour,
                )
            )
    else:
        for dx, y in ((-9, 111), (9, 111), (0, 120), (-9, 129), (9, 129)):
            inner.append((ellipse(frame.at_body(dx, y), 3.4, 3.4), colour))
    canvas.paint_inside(frame.torso_outline, inner, "body")


def accessory(kind: str, colour: Colour) -> tuple[Part, ...]:
    """Something worn."""
    if kind == "none":
        return ()
    layer = "behind_head" if kind == "scarf" else "over"
    return (Part(layer, lambda canvas, frame: _accessory(canvas, frame, kind, colour)),)


def _accessory(canvas: Canvas, frame: Frame, kind: str, colour: Colour) -> None:
    x, y = frame.head
    match kind:
        case "glasses":
            if frame.view == "back":
                return
            middles = (x - 15, x + 15) if frame.view == "front" else (x + 21,)
            for middle in middles:
                ring = ellipse((middle, y + 4), 12.5, 12.5)
                canvas.line(polygon(*map(tuple, ring), tuple(ring[0])), "ornament", 3, colour)
        case "bow":
            side = 22 if frame.view == "front" else -22
            for turn in (-1, 1):
                canvas.fill(
                    polygon(
                        (x + side, y - 32), (x + side + turn * 15, y - 41), (x + side + turn * 15, y - 23)
                    ),
                    colour,
                    "ornament",
                )
            canvas.fill(ellipse((x + side, y - 32), 4.5, 4.5), colour, "ornament")
        case "scarf":
            half = 20 if frame.view == "side" else 25
            canvas.fill(superellipse(frame.at_body(0, 104), half, 8, 3), colour, "ornament")
            end = frame.at_body(-12 if frame.view != "side" else -16, 117)
            canvas.fill(superellipse(end, 6, 13, 4), colour, "ornament")
        case "cap":
            dome = arc((x, y - 8), 40, 36, 180, 360, 24)
            canvas.fill(dome, colour, "ornament")
            if frame.view == "front":
                canvas.fill(ellipse((x, y - 9), 30, 6), shade(colour, 0.2), "ornament")
            elif frame.view == "side":
                canvas.fill(ellipse((x + 38, y - 9), 22, 5), shade(colour, 0.2), "ornament")
        case _:
            raise ValueError(f"no such accessory: {kind}")


def tail(colour: Colour) -> tuple[Part, ...]:
    """A cat's tail."""
    return (Part("behind", lambda canvas, frame: _tail(canvas, frame, colour)),)


def _tail(canvas: Canvas, frame: Frame, colour: Colour) -> None:
    side = -1 if frame.view != "back" else 1
    path = [(side * 10, 138), (side * 30, 142), (side * 40, 126), (side * 46, 112)]
    canvas.fill(limb([frame.at_body(dx, dy) for dx, dy in path], 9, 8), colour, "ornament")


def muzzle(kind: str) -> tuple[Part, ...]:
    """A cat's nose and whiskers, a robot's ear bolts: what tells the kind from the front."""
    return (Part("head", lambda canvas, frame: _muzzle(canvas, frame, kind)),)


def _muzzle(canvas: Canvas, frame: Frame, kind: str) -> None:
    x, y = frame.head
    if kind == "robot":
        for side in (-1, 1) if frame.view != "side" else ():
            canvas.fill(superellipse((x + side * 41, y + 2), 5, 10, 4), (170, 172, 182), "ornament")
        if frame.view == "side":
            canvas.fill(ellipse((x - 8, y + 4), 9, 9), (170, 172, 182), "ornament")
        return
    if frame.view == "back":
        return
    nose = x if frame.view == "front" else x + 33
    canvas.fill(
        polygon((nose - 4.5, y + 11), (nose + 4.5, y + 11), (nose, y + 16)), (236, 118, 138), "ornament", 1.6
    )
    for side in (-1, 1) if frame.view == "front" else (-1,):
        for rise in (-3, 4):
            start = nose + side * (26 if frame.view == "front" else 22)
            canvas.line(
                polygon((start, y + 17 + rise * 0.4), (start + side * 15, y + 17 + rise)), "ornament", 1.8
            )
