"""The example character from its six drawings to a sheet of new pictures, beside the truth, and a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from understudy.bases.catalog import find_base, hash_base
from understudy.domain import Pixels
from understudy.drawings.read import read_character
from understudy.events import Notify
from understudy.grids import Cell, draw_grid
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
    cells = [Cell(f"{entry.label}   (drawn | truth)", (entry.drawn, entry.truth)) for entry in entries]
    return draw_grid(cells, NUM_COLUMNS)
