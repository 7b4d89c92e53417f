"""Drawings pasted into pictures as somebody would who copies."""

from __future__ import annotations

import random

import cv2
import numpy as np

from understudy.domain import Drawing, Pixels
from understudy.drawings.figure import find_figure
from understudy.world.canvas import SIZE, Canvas
from understudy.world.scenery import paint_place

WAYS = ("as it is", "mirrored", "moved and scaled", "cropped", "recompressed", "in another place")


def paste(drawing: Drawing, way: str, rng: random.Random) -> Pixels:
    """A picture (192, 192, 3) made of nothing but a drawing of that size, in one of `WAYS`."""
    pixels, mask = drawing.pixels, find_figure(drawing).mask
    if way == "as it is":
        return pixels
    if way == "cropped":
        kept = round(rng.uniform(0.6, 0.9) * SIZE)
        left, top = rng.randrange(SIZE - kept + 1), rng.randrange(SIZE - kept + 1)
        cut = pixels[top : top + kept, left : left + kept]
        return np.asarray(cv2.resize(cut, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC))
    if way == "mirrored" or rng.random() < 0.5:
        pixels, mask = pixels[:, ::-1].copy(), mask[:, ::-1].copy()
    if way == "mirrored":
        return pixels
    scale = rng.uniform(0.6, 1.4)
    middle = (SIZE - 1) / 2 * (1 - scale)
    matrix = np.array([[scale, 0, middle + rng.uniform(-25, 25)], [0, scale, middle + rng.uniform(-25, 25)]])
    smooth = cv2.GaussianBlur(pixels, (0, 0), 0.5 / scale)
    moved = cv2.warpAffine(smooth, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderValue=(255,) * 3)
    if way == "recompressed":
        blurred = cv2.GaussianBlur(moved, (0, 0), rng.uniform(0.3, 1.2))
        written = cv2.imencode(".jpg", blurred, [cv2.IMWRITE_JPEG_QUALITY, rng.randrange(50, 90)])[1]
        return np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR))
    if way == "in another place":
        canvas = Canvas(SIZE)
        paint_place(canvas, rng.choice(("castle", "sunset", "woods")), rng)
        cover = cv2.warpAffine(mask, matrix, (SIZE, SIZE))[..., None] / 255
        return (moved * cover + canvas.finish()[0] * (1 - cover)).astype(np.uint8)
    return np.asarray(moved)
