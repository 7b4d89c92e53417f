"""Pictures of all lines on the same prompts and seeds: on the page, on a sheet, and one after the other."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from understudy.comparisons.plan import Plan
from understudy.comparisons.results import Judged, Result
from understudy.domain import Character, Pixels
from understudy.grids import GAP_PX, INK, PAPER, Cell, draw_grid
from understudy.provenance import COMPOSITE, make_mark
from understudy.reports.beside import find_hero, truth
from understudy.reports.gather import read_pixels
from understudy.reports.page import scene

TITLE_PX = 44
FRAME_MS = 700
FRAME_PX = 960
"""Width of a moving picture."""
MISSING: Pixels = np.full((8, 8, 3), 232, np.uint8)
"""In the place of a picture that was not drawn."""


@dataclass(frozen=True)
class Shelf:
    """A character's pictures of the first seed: for each line one for each prompt, None where it is missing.

    `truths` are the hero's own, None where its world cannot draw just that, or where it is no hero.
    """

    folder: str
    character: Character
    prompts: tuple[str, ...]
    truths: tuple[Pixels | None, ...]
    lines: tuple[tuple[str, tuple[Judged | None, ...]], ...]

    @property
    def has_truth(self) -> bool:
        """Whether it is a hero whose world can draw any of the scenes."""
        return any(one is not None for one in self.truths)


def fill_shelves(plan: Plan, results: Sequence[Result]) -> list[Shelf]:
    """A shelf for each character, with the first seed of learning and the first of drawing."""
    return [_shelf(plan, folder, character, results) for folder, character in plan.characters.items()]


def _shelf(plan: Plan, folder: str, character: Character, results: Sequence[Result]) -> Shelf:
    prompts = tuple(prompt.replace("{name}", character.name) for prompt in plan.comparison.prompts)
    hero = find_hero(character)
    lines: dict[str, tuple[Judged | None, ...]] = {}
    for result in results:
        if result.run.folder.parent.name == folder and result.sitting.line not in lines:
            drawn = {
                one.verdict.scene.prompt: one
                for one in result.pictures
                if one.verdict.scene.seed == plan.comparison.seed
            }
            lines[result.sitting.line] = tuple(map(drawn.get, prompts))
    truths = tuple(truth(hero, prompt) if hero else None for prompt in prompts)
    return Shelf(folder, character, prompts, truths, tuple(lines.items()))


def draw_sheet(shelf: Shelf) -> Image.Image:
    """All lines below each other, each picture over its verdict, and the truth on top."""
    tops = [Cell("the truth", tuple(MISSING if one is None else one for one in shelf.truths))]
    cells = (
        tops if shelf.has_truth else [Cell("the drawings", tuple(d.pixels for d in shelf.character.drawings))]
    )
    for label, pictures in shelf.lines:
        captions = tuple(
            f"{word_of(one)}: {scene(prompt)}" for one, prompt in zip(pictures, shelf.prompts, strict=True)
        )
        cells.append(Cell(label, _pixels(pictures), captions))
    return draw_grid(cells)


def animate(shelf: Shelf) -> bytes:
    """A moving WebP: line by line the pictures of all prompts."""
    frames = [_frame(label, shelf.prompts, pictures) for label, pictures in shelf.lines]
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=FRAME_MS,
        loop=0,
        quality=80,
        xmp=make_mark(COMPOSITE).encode(),
    )
    return buffer.getvalue()


def word_of(one: Judged | None) -> str:
    """What is said of a picture in a word or two."""
    if one is None:
        return "missing"
    return "passes" if one.verdict.passed else "fails"


def _frame(label: str, prompts: Sequence[str], pictures: Sequence[Judged | None]) -> Image.Image:
    cells = [
        Cell(scene(prompt), (pixels,), (word_of(one),))
        for prompt, pixels, one in zip(prompts, _pixels(pictures), pictures, strict=True)
    ]
    grid = draw_grid(cells, max(1, round((1.5 * len(cells)) ** 0.5)))
    sheet = Image.new("RGB", (grid.width, grid.height + TITLE_PX), PAPER)
    ImageDraw.Draw(sheet).text((GAP_PX, 12), label, fill=INK, font=ImageFont.load_default(24))
    sheet.paste(grid, (0, TITLE_PX))
    scale = min(1.0, FRAME_PX / sheet.width)
    return sheet.resize((round(sheet.width * scale), round(sheet.height * scale)), Image.Resampling.LANCZOS)


def _pixels(pictures: Sequence[Judged | None]) -> tuple[Pixels, ...]:
    return tuple(MISSING if one is None else read_pixels(one.file) for one in pictures)
