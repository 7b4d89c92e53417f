"""The example character from its six drawings to a sheet of new pictures, beside the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from understudy.bases.catalog import find_base, hash_base
from understudy.domain import Pixels
from understudy.drawings.read import read_character
from understudy.events import Notify
from understudy.grids import Cell, draw_grid
from understudy.methods import learn
from understudy.pictures import draw, seeded_scenes
from understudy.recipes import DrawSettings, DreamBoothLora
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


def run_demo(out: Path, recipe: DreamBoothLora, settings: DrawSettings, notify: Notify) -> Path:
    """Learn the example character, draw twelve scenes, and return the sheet's path in the folder `out`.

    The run's folder is named after the base's hash, so that another base begins another run.
    """
    name = EXAMPLE.name
    write_drawings(EXAMPLE, out / "drawings")
    character = read_character(out / "drawings", name, EXAMPLE.noun, notify)
    folder = out / f"run-{hash_base(find_base(recipe.base))[:8]}"
    run = learn(character, recipe, folder, notify=notify)
    prompts = [f"a picture of {name} {scene}" for scene in SCENES]
    paths = draw(run, seeded_scenes(prompts, 1), settings, notify=notify)
    entries = [
        Entry(f"{name} {scene}", _read(path), oracle(EXAMPLE, wish(EXAMPLE, prompt)).pixels)
        for scene, prompt, path in zip(SCENES, prompts, paths, strict=True)
    ]
    sheet = out / "sheet.png"
    make_sheet(entries).save(sheet)
    return sheet


def make_sheet(entries: list[Entry]) -> Image.Image:
    """A grid of pairs, left what was drawn and right the truth, each pair under its label."""
    cells = [Cell(f"{entry.label}   (drawn | truth)", (entry.drawn, entry.truth)) for entry in entries]
    return draw_grid(cells, NUM_COLUMNS)


def _read(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
