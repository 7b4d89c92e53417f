"""The example character from its six drawings to a sheet of new pictures, beside the truth, and a report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from understudy.bases.catalog import find_base, hash_base
from understudy.domain import Pixels
from understudy.drawings.read import read_character
from understudy.events import Notify
from understudy.judging import judge
from understudy.methods import learn
from understudy.recipes import DrawSettings, DreamBoothLora
from understudy.reports.gather import read_pixels, read_verdicts
from understudy.reports.report import report
from understudy.world.heroes import EXAMPLE, oracle
from understudy.world.portfolio import wish, write_drawings

# Not STUDY_PROMPTS, which judge and are thirteen: these fill the sheet's four rows and show waving as well.
SCENES = (
    "waving, smiling",
    "sad",
    "laughing",
    "praying",
    "with hands on face",
    "with ice cream",
    "holding a book",
    "eating a sandwich",
    "in front of a castle",
    "watching the sunset",
    "walking in the woods",
    "looking up",
)
NUM_COLUMNS = 3
CELL_PX = 192
GAP_PX = 12
PAIR_GAP_PX = 2
LABEL_PX = 30
COLUMN_PX = 2 * CELL_PX + PAIR_GAP_PX + 2 * GAP_PX


@dataclass(frozen=True)
class Entry:
    """One place of the sheet: what was asked for, what was drawn, and what the world's own hand draws."""

    label: str
    drawn: Pixels
    truth: Pixels


def run_demo(out: Path, recipe: DreamBoothLora, settings: DrawSettings, notify: Notify) -> tuple[Path, Path]:
    """Learn the example character, draw and judge twelve scenes; returns the sheet's and the report's path.

    The run's folder in `out` is named after the base's hash, so that another base begins another run.
    """
    name = EXAMPLE.name
    write_drawings(EXAMPLE, out / "drawings")
    character = read_character(out / "drawings", name, EXAMPLE.noun, notify)
    folder = out / f"run-{hash_base(find_base(recipe.base))[:8]}"
    run = learn(character, recipe, folder, notify=notify)
    prompts = [f"a picture of {name} {scene}" for scene in SCENES]
    judge(run, prompts, 1, 0, settings, notify=notify, drift=False)  # whose pictures take as long again
    entries = [
        Entry(
            f"{name} {scene}", read_pixels(run.pictures / file), oracle(EXAMPLE, wish(EXAMPLE, prompt)).pixels
        )
        for scene, prompt, file in zip(SCENES, prompts, read_verdicts(run), strict=True)
    ]
    sheet = out / "sheet.png"
    make_sheet(entries).save(sheet)
    return sheet, report(run, notify=notify)


def make_sheet(entries: list[Entry]) -> Image.Image:
    """A grid of pairs, left what was drawn and right the truth, each pair under its label."""
    width = GAP_PX + NUM_COLUMNS * COLUMN_PX
    num_rows = -(-len(entries) // NUM_COLUMNS)
    sheet = Image.new("RGB", (width, GAP_PX + num_rows * (LABEL_PX + CELL_PX + GAP_PX)), "#e8e4dc")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for entry, (left, top) in zip(entries, _places(len(entries)), strict=True):
        pen.text((left, top + 6), f"{entry.label}   (drawn | truth)", fill="#222222", font=font)
        for column, pixels in enumerate((entry.drawn, entry.truth)):
            cell = Image.fromarray(pixels).resize((CELL_PX, CELL_PX), Image.Resampling.LANCZOS)
            sheet.paste(cell, (left + column * (CELL_PX + PAIR_GAP_PX), top + LABEL_PX))
    return sheet


def _places(count: int) -> Iterator[tuple[int, int]]:
    for index in range(count):
        row, column = divmod(index, NUM_COLUMNS)
        yield GAP_PX + column * COLUMN_PX, GAP_PX + row * (LABEL_PX + CELL_PX + GAP_PX)
