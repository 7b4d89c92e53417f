"""A page on paper as data, and as pixels: type, flat boxes and pictures, in millimetres from its top left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from understudy.domain import Pixels

FONTS = Path(__file__).parents[1] / "assets" / "fonts"
"""Comic Neue (The Comic Neue Project Authors, SIL Open Font Licence 1.1), Latin letters."""
REGULAR, BOLD = FONTS / "ComicNeue-Regular.ttf", FONTS / "ComicNeue-Bold.ttf"
MM_PER_INCH = 25.4
MM_PER_POINT = MM_PER_INCH / 72
SMOOTHING = 4
"""Boxes are drawn so many times as large and averaged, for smooth corners."""

Rgb = tuple[int, int, int]
Align = Literal["left", "middle", "right"]


@dataclass(frozen=True)
class Text:
    """A line of type: `x_mm` is its left, middle or right as `align` says, `y_mm` its baseline."""

    x_mm: float
    y_mm: float
    words: str
    size_pt: float
    colour: Rgb
    bold: bool = False
    align: Align = "left"


@dataclass(frozen=True)
class Box:
    """A flat box with round corners, and a line around it where `line` says its colour."""

    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float
    fill: Rgb
    radius_mm: float = 0.0
    line: Rgb | None = None


@dataclass(frozen=True, eq=False)
class Placed:
    """A picture (height, width, 4), RGBA, as large as it goes within a place, at its bottom and middle."""

    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float
    pixels: Pixels

    def frame(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the picture itself, in millimetres."""
        height, width = self.pixels.shape[:2]
        scale = min(self.width_mm / width, self.height_mm / height)
        size = width * scale, height * scale
        return (
            self.x_mm + (self.width_mm - size[0]) / 2,
            self.y_mm + self.height_mm - size[1],
            *size,
        )


Item = Text | Box | Placed


@dataclass(frozen=True)
class Page:
    """Items on paper of a size, the first one lowest."""

    title: str
    width_mm: float
    height_mm: float
    items: tuple[Item, ...]


def render(page: Page, dpi: int = 300) -> Pixels:
    """The page on white paper as pixels, (height, width, 3)."""
    sheet = Image.new("RGB", (_px(page.width_mm, dpi), _px(page.height_mm, dpi)), "white")
    for item in page.items:
        match item:
            case Text():
                _write(sheet, item, dpi)
            case Box():
                _fill(sheet, item, dpi)
            case Placed():
                left, top, width, height = (_px(length, dpi) for length in item.frame())
                picture = Image.fromarray(enlarge(item.pixels, (width, height)))
                sheet.paste(picture, (left, top), picture)
            case _:
                assert_never(item)
    return np.asarray(sheet)


def enlarge(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """A small flat-coloured picture (height, width, 4) at (width, height) pixels, its lines crisp again.

    Colours are spread under the alpha first, so that no dark seam is mixed into the figure's edge.
    """
    width = pixels.shape[1]
    if size[0] <= width:
        return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    alpha = pixels[..., 3].astype(np.float32) / 255
    weights = cv2.GaussianBlur(alpha, (0, 0), 2)[..., None]
    around = cv2.GaussianBlur(pixels[..., :3].astype(np.float32) * alpha[..., None], (0, 0), 2)
    spread = np.where(weights > 1e-3, around / np.maximum(weights, 1e-3), 255.0)
    colours = pixels[..., :3] * alpha[..., None] + spread * (1 - alpha[..., None])
    large = cv2.resize(np.dstack((colours, alpha * 255)), size, interpolation=cv2.INTER_CUBIC)
    # An unsharp mask as wide as the enlargement has made a step between two colours.
    soft = cv2.GaussianBlur(large, (0, 0), 0.5 * size[0] / width)
    return np.asarray(np.clip(np.round(large + 0.9 * (large - soft)), 0, 255), np.uint8)


def measure(words: str, size_pt: float, bold: bool = False) -> float:
    """How wide a line of type is, in millimetres."""
    return (
        ImageFont.truetype(BOLD if bold else REGULAR, 1000).getlength(words) / 1000 * size_pt * MM_PER_POINT
    )


def _write(sheet: Image.Image, text: Text, dpi: int) -> None:
    font = ImageFont.truetype(BOLD if text.bold else REGULAR, text.size_pt * dpi / 72)
    anchor = {"left": "ls", "middle": "ms", "right": "rs"}[text.align]
    place = (text.x_mm * dpi / MM_PER_INCH, text.y_mm * dpi / MM_PER_INCH)
    ImageDraw.Draw(sheet).text(place, text.words, fill=text.colour, font=font, anchor=anchor)


def _fill(sheet: Image.Image, box: Box, dpi: int) -> None:
    left, top = _px(box.x_mm, dpi), _px(box.y_mm, dpi)
    size = max(1, _px(box.width_mm, dpi)), max(1, _px(box.height_mm, dpi))
    stencil = Image.new("L", (size[0] * SMOOTHING, size[1] * SMOOTHING), 0)
    edge = (0, 0, size[0] * SMOOTHING - 1, size[1] * SMOOTHING - 1)
    radius = _px(box.radius_mm, dpi) * SMOOTHING
    pen = ImageDraw.Draw(stencil)
    pen.rounded_rectangle(edge, radius, fill=255)
    colour = box.line or box.fill
    sheet.paste(colour, (left, top), stencil.resize(size, Image.Resampling.BOX))
    if box.line is not None:
        inner = Image.new("L", stencil.size, 0)
        line = max(1, _px(LINE_MM, dpi)) * SMOOTHING
        within = (line, line, edge[2] - line, edge[3] - line)
        ImageDraw.Draw(inner).rounded_rectangle(within, max(0, radius - line), fill=255)
        sheet.paste(box.fill, (left, top), inner.resize(size, Image.Resampling.BOX))


LINE_MM = 0.25


def _px(length_mm: float, dpi: int) -> int:
    return round(length_mm / MM_PER_INCH * dpi)
