"""What a comparison comes to: runs to learn, and sittings in which their pictures are drawn and judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from understudy.comparisons.asked import Comparison, Entry, Row, check, name_of, slug
from understudy.domain import Character, Drawing, UserError
from understudy.drawings.read import read_character
from understudy.events import Notify, ignore
from understudy.recipes import DrawSettings, Recipe
from understudy.runs import MANIFEST_FILE, DrawingRecord, Run, open_run, record_drawings
from understudy.world.heroes import drawings, hero

RUNS = "runs"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedSitting(_Frozen):
    """One line of the table for one run: which weights draw, and how."""

    line: str
    folder: Path
    at_step: int | None
    """None: the last weights."""
    settings: DrawSettings


class PlannedRun(_Frozen):
    """One row for one character and one seed of learning, in a run folder of its own."""

    entry: Entry
    row: Row
    learning_seed: int
    recipe: Recipe
    folder: Path
    prompts: tuple[str, ...]
    count: int
    seed: int
    drift: bool
    grid_intensity: float | None
    sittings: tuple[PlannedSitting, ...]

    @property
    def num_pictures(self) -> int:
        """In each sitting."""
        return len(self.prompts) * self.count

    @property
    def says(self) -> str:
        """What it is, for people."""
        return f"{name_of(self.entry)}, {self.row.title}, learning seed {self.learning_seed}"


@dataclass(frozen=True)
class Plan:
    """All runs, in the order in which they are learned, and the characters as they were read."""

    comparison: Comparison
    out: Path
    characters: dict[str, Character]
    runs: tuple[PlannedRun, ...]

    @property
    def lines(self) -> list[str]:
        """The labels of the table's lines, in its order."""
        rows = {run.row.title: run for run in self.runs}
        return [sitting.line for run in rows.values() for sitting in run.sittings]

    def no_longer_asked(self) -> list[Path]:
        """Runs and sittings in the folder that the comparison does not ask for: they stay, unused."""
        asked = {run.folder for run in self.runs}
        runs = sorted(path.parent for path in (self.out / RUNS).glob(f"*/*/{MANIFEST_FILE}"))
        sittings = {sitting.folder for run in self.runs for sitting in run.sittings}
        others = [
            folder
            for run in self.runs
            for folder in sorted(run.folder.glob("judged-*"))
            if folder not in sittings and folder.is_dir()
        ]
        return [run for run in runs if run not in asked] + others


def make_plan(comparison: Comparison, out: Path, notify: Notify = ignore) -> Plan:
    """Expand a comparison; raises `UserError` where a row or a character does not fit."""
    check(comparison)
    characters = {name_of(entry): load_character(entry, notify) for entry in comparison.characters}
    runs = tuple(
        run
        for entry in comparison.characters
        for row in comparison.rows
        for run in _runs(comparison, out, entry, row, characters[name_of(entry)])
    )
    plan = Plan(comparison, out, characters, runs)
    if comparison.reference is not None and comparison.reference not in plan.lines:
        known = ", ".join(plan.lines)
        raise UserError(f"reference: {comparison.reference!r} is no line of the table, take one of {known}.")
    return plan


def load_character(entry: Entry, notify: Notify = ignore) -> Character:
    """The entry's drawings; raises `UserError` as `read_character` does."""
    if entry.hero is None:
        return read_character(str(entry.drawings), entry.name, entry.noun, notify)
    of = hero(entry.hero)
    made = tuple(Drawing(Path(one.filename), one.pixels, one.caption) for one in drawings(of))
    return Character(of.name, of.noun, made)


def _runs(
    comparison: Comparison, out: Path, entry: Entry, row: Row, character: Character
) -> Iterator[PlannedRun]:
    for seed in row.learning_seeds or comparison.learning_seeds:
        recipe = row.recipe(comparison.base, seed)
        folder = _folder(out / RUNS / name_of(entry), f"{slug(row.title)}-seed-{seed}-", recipe, character)
        yield PlannedRun(
            entry=entry,
            row=row,
            learning_seed=seed,
            recipe=recipe,
            folder=folder,
            prompts=comparison.prompts,
            count=comparison.pictures,
            seed=comparison.seed,
            drift=comparison.drift,
            grid_intensity=comparison.grid_intensity,
            sittings=tuple(_sittings(row, comparison.draw, folder)),
        )


def _folder(parent: Path, label: str, recipe: Recipe, character: Character) -> Path:
    """Where a run lies: another recipe under the same label, and other drawings, are another run.

    Its name was made when it was begun, maybe by a release that did not have some knob yet.
    """
    digest = _digest(recipe, character.name, character.noun, record_drawings(character))
    for folder in sorted(parent.glob(f"{label}*")):
        with suppress(UserError):  # of a damaged one, which is told when it is wanted
            if (folder / MANIFEST_FILE).is_file() and digest == _digest_of(open_run(folder)):
                return folder
    return parent / f"{label}{digest}"


def _digest_of(run: Run) -> str:
    begun = run.manifest
    return _digest(run.recipe, begun.name, begun.noun, begun.drawings)


def _digest(recipe: Recipe, name: str, noun: str, records: Sequence[DrawingRecord]) -> str:
    knobs = recipe.model_dump(mode="json")
    if "base" in knobs:
        knobs["base"] = Path(knobs["base"]).name  # it may be moved
    drawn = [(one.caption, one.sha256) for one in records]
    said = json.dumps([knobs, name, noun, drawn], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:6]


def _sittings(row: Row, draw: DrawSettings, run: Path) -> Iterator[PlannedSitting]:
    """The last weights drawn as all rows are keep their pictures where `report` looks for them."""
    for at_step, steps in product(row.at_steps or (None,), row.draw_steps or (None,)):
        line, name = row.title, "judged"
        if at_step is not None:
            line, name = f"{line}, step {at_step}", f"{name}-at-{at_step:06d}"
        if steps is not None:
            line, name = f"{line}, drawn in {steps}", f"{name}-drawn-in-{steps:04d}"
        settings = draw if steps is None else draw.model_copy(update={"steps": steps})
        folder = run if name == "judged" else run / name
        yield PlannedSitting(line=line, folder=folder, at_step=at_step, settings=settings)
