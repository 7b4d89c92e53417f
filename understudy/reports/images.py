"""Pictures within a page: as data URIs, as a grid of drawings, and split into colour channels."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from understudy.domain import Drawing, Pixels
from understudy.provenance import TRAINED, make_mark

SHOWN_PX = 384
"""Twice what a page shows a picture at, for fine screens."""
MOST_BYTES = 80_000
CELL_PX = 256
GAP_PX = 16
LABEL_PX = 26


def drawing_uri(pixels: Pixels, side_px: int = SHOWN_PX) -> str:
    """A drawing (height, width, 3), or a grey layer (height, width), as the source of an <img>."""
    image = _shrunk(Image.fromarray(pixels), side_px)
    lossless = _encode(image, "PNG")
    if len(lossless) <= MOST_BYTES:
        return data_uri(lossless, "image/png")
    return data_uri(_encode(image, "WEBP"), "image/webp")


def picture_uri(path: Path) -> str:
    """A drawn picture as the source of an <img>: the file itself, or a smaller copy that carries its mark."""
    content = path.read_bytes()
    if len(content) <= MOST_BYTES:
        return data_uri(content, "image/png")
    return thumbnail_uri(path, SHOWN_PX)


def thumbnail_uri(path: Path, side_px: int) -> str:
    """A drawn picture as a small copy that carries its mark."""
    with Image.open(path) as image:
        small = _shrunk(image.convert("RGB"), side_px)
    return data_uri(_encode(small, "WEBP", make_mark(TRAINED).encode()), "image/webp")


def data_uri(content: bytes, kind: str) -> str:
    """Bytes within the page itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def split_channels(pixels: Pixels) -> Pixels:
    """A drawing's red, green and blue side by side, each in its colour, and below as a layer of grey.

    (height, width, 3) -> at most (2 * 160, 3 * 160, 3).
    """
    small = np.asarray(_shrunk(Image.fromarray(pixels), 160))
    tinted = np.concatenate([small * np.eye(3, dtype=np.uint8)[number] for number in range(3)], axis=1)
    grey = np.concatenate([np.repeat(small[..., number, None], 3, axis=2) for number in range(3)], axis=1)
    return np.concatenate([tinted, grey])


def draw_grid(drawings: Sequence[Drawing]) -> Image.Image:
    """All drawings on one sheet, each under its file's name."""
    columns = min(len(drawings), max(3, round(len(drawings) ** 0.5)))
    rows = -(-len(drawings) // columns)
    pitch = CELL_PX + GAP_PX
    size = GAP_PX + columns * pitch, GAP_PX + rows * (pitch + LABEL_PX)
    sheet = Image.new("RGB", size, "#f4f2ee")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for number, drawing in enumerate(drawings):
        row, column = divmod(number, columns)
        left, top = GAP_PX + column * pitch, GAP_PX + row * (pitch + LABEL_PX)
        pen.text((left, top + 4), drawing.path.name, fill="#444444", font=font)
        image = _shrunk(Image.fromarray(drawing.pixels), CELL_PX)
        pen.rectangle((left, top + LABEL_PX, left + CELL_PX - 1, top + LABEL_PX + CELL_PX - 1), fill="white")
        sheet.paste(
            image, (left + (CELL_PX - image.width) // 2, top + LABEL_PX + (CELL_PX - image.height) // 2)
        )
    return sheet


def png(image: Image.Image) -> bytes:
    """The image as a PNG file."""
    return _encode(image, "PNG")


def _shrunk(image: Image.Image, side_px: int) -> Image.Image:
    small = image.copy()
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return small


def _encode(image: Image.Image, kind: str, xmp: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    if kind == "WEBP":
        image.save(buffer, kind, quality=88, method=4, xmp=xmp)
    else:
        image.save(buffer, kind, optimize=True)
    return buffer.getvalue()
