"""Faces that read at a glance: eyes, brows and a mouth for each mood."""

from __future__ import annotations

from understudy.world.canvas import INK, Canvas, Colour, arc, ellipse, polygon, smooth

WHITE: Colour = (255, 255, 255)
MOUTH: Colour = (150, 40, 52)
TONGUE: Colour = (242, 130, 140)
BLUSH: Colour = (246, 150, 150)
TEAR: Colour = (104, 178, 240)
LINE = 3.4


def paint_face(
    canvas: Canvas, centre: tuple[float, float], view: str, mood: str, gaze: str, eyes: str, blush: bool
) -> None:
    """Paint a front or side face around the head's centre; `eyes` is "round" or "dot"."""
    x, y = centre
    lift = -11.0 if gaze == "up" else 0.0
    if view == "front":
        eye_places = [(x - 15.0, y + 4 + lift), (x + 15.0, y + 4 + lift)]
        mouth = (x, y + 23 + lift)
        width = 13.0
    else:
        eye_places = [(x + 21.0, y + 4 + lift)]
        mouth = (x + 25, y + 23 + lift)
        width = 9.0
    for place in eye_places:
        _paint_eye(canvas, place, mood, gaze, eyes)
    # Brows lean towards the nose, which lies between the eyes, or to the right of the only one.
    for place, side in zip(eye_places, (-1, 1) if view == "front" else (-1,), strict=True):
        _paint_brow(canvas, place, side, mood)
    if blush and mood in ("smiling", "laughing", "neutral"):
        for place, side in zip(eye_places, (-1, 1) if view == "front" else (-1,), strict=True):
            cheek = ellipse((place[0] + side * 7, place[1] + 13), 5, 3.2)
            canvas.fill(cheek, BLUSH, "head", ink=0)
    _paint_mouth(canvas, mouth, width, mood)


def _paint_eye(canvas: Canvas, place: tuple[float, float], mood: str, gaze: str, eyes: str) -> None:
    x, y = place
    if mood == "laughing":
        canvas.line(arc((x, y + 3), 7, 8, 180, 360), "eye", LINE)
        return
    shift = -4.0 if gaze == "up" else 0.0
    if eyes == "dot":
        canvas.fill(ellipse((x, y + shift / 2), 5, 6.5), INK, "eye", ink=0)
        canvas.fill(ellipse((x - 1.4, y + shift - 1.4), 2, 2), WHITE, "eye", ink=0)
    else:
        canvas.fill(ellipse((x, y), 8.2, 9.2), WHITE, "eye", ink=2.2)
        canvas.fill(ellipse((x, y + shift + 0.6), 4.8, 5.4), INK, "eye", ink=0)
        canvas.fill(ellipse((x - 1.5, y + shift - 1.2), 1.8, 1.8), WHITE, "eye", ink=0)
    if mood == "sad":
        drop = smooth([(x + 1, y + 10), (x + 4.5, y + 16), (x + 1, y + 20), (x - 2.5, y + 16)])
        canvas.fill(drop, TEAR, "eye", ink=1.2)


def _paint_brow(canvas: Canvas, place: tuple[float, float], side: int, mood: str) -> None:
    """`side` is -1 for the eye on the left of the nose and 1 for the one on its right."""
    x, y = place
    inner, outer = x - side * 8, x + side * 8
    heights = {"angry": (-8.5, -15.5), "sad": (-16.0, -10.0)}.get(mood)
    if heights is None:
        return
    canvas.line(polygon((inner, y + heights[0]), (outer, y + heights[1])), "brow", 4.2)


def _paint_mouth(canvas: Canvas, place: tuple[float, float], width: float, mood: str) -> None:
    x, y = place
    if mood == "smiling":
        canvas.line(arc((x, y - 5), width, 9, 15, 165), "mouth", LINE)
    elif mood == "sad":
        canvas.line(arc((x, y + 8), width * 0.85, 9, 205, 335), "mouth", LINE)
    elif mood == "angry":
        teeth = polygon(
            (x - width, y + 5), (x - width * 0.8, y - 4), (x + width * 0.8, y - 4), (x + width, y + 5)
        )
        canvas.fill(teeth, WHITE, "mouth", ink=2.4)
        canvas.line(polygon((x - width * 0.9, y + 0.5), (x + width * 0.9, y + 0.5)), "mouth", 1.6)
    elif mood == "laughing":
        bowl = arc((x, y - 4), width, 14, 0, 180)
        canvas.fill(bowl, MOUTH, "mouth", ink=2.4)
        canvas.fill(ellipse((x, y + 5), width * 0.5, 4), TONGUE, "mouth", ink=0)
    else:
        canvas.line(polygon((x - width * 0.55, y), (x + width * 0.55, y)), "mouth", LINE)
