"""Pictures side by side on one sheet, each group under its label: to compare prompts, seeds, or the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from understudy.domain import Pixels

TILE_PX = 192
GAP_PX = 12
TILE_GAP_PX = 2
LABEL_PX = 30
CAPTION_PX = 20
PAPER, INK, GREY = "#e8e4dc", "#222222", "#6b665e"


@dataclass(frozen=True)
class Cell:
    """Pictures (height, width, 3) of any size under one label, each over its caption if there are any."""

    label: str
    tiles: tuple[Pixels, ...]
    captions: tuple[str, ...] = ()


def draw_grid(cells: Sequence[Cell], num_columns: int = 1) -> Image.Image:
    """The cells in rows of `num_columns`, all as wide as the widest; labels too long end in "..."."""
    most = max(len(cell.tiles) for cell in cells)
    width = most * TILE_PX + (most - 1) * TILE_GAP_PX
    height = LABEL_PX + TILE_PX + (CAPTION_PX if any(cell.captions for cell in cells) else 0)
    num_rows = -(-len(cells) // num_columns)
    size = (GAP_PX + num_columns * (width + 2 * GAP_PX), GAP_PX + num_rows * (height + GAP_PX))
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, cell in enumerate(cells):
        row, column = divmod(number, num_columns)
        place = (GAP_PX + column * (width + 2 * GAP_PX), GAP_PX + row * (height + GAP_PX))
        _draw_cell(sheet, pen, cell, place, width)
    return sheet


def _draw_cell(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, cell: Cell, place: tuple[int, int], width: int
) -> None:
    left, top = place
    font, small = ImageFont.load_default(15), ImageFont.load_default(12)
    pen.text((left, top + 6), _shorten(cell.label, pen, font, width), fill=INK, font=font)
    for at, pixels in enumerate(cell.tiles):
        tile = Image.fromarray(pixels)
        # Its own shape: a wide picture stays wide.
        scale = TILE_PX / max(tile.size)
        tile = tile.resize(
            (max(1, round(tile.width * scale)), max(1, round(tile.height * scale))), Image.Resampling.LANCZOS
        )
        x = left + at * (TILE_PX + TILE_GAP_PX)
        spare = (TILE_PX - tile.width) // 2, (TILE_PX - tile.height) // 2
        sheet.paste(tile, (x + spare[0], top + LABEL_PX + spare[1]))
        if cell.captions:
            pen.text((x + 2, top + LABEL_PX + TILE_PX + 3), cell.captions[at], fill=GREY, font=small)


def _shorten(
    text: str, pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> str:
    if pen.textlength(text, font) <= width:
        return text
    while text and pen.textlength(f"{text}...", font) > width:
        text = text[:-1]
    return f"{text.rstrip()}..."
