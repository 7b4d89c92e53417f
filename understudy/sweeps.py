"""Many recipes of one character: every combination of the values of some knobs, each in a run of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TypeVar

from understudy.domain import Character, UserError
from understudy.events import Note, Notify, ignore
from understudy.learning import learn
from understudy.methods import learn_together
from understudy.methods.reviewing import never_stop
from understudy.methods.together import can_share
from understudy.recipes import DreamBoothLora, Recipe
from understudy.runs import Run, StrPath

Folder = TypeVar("Folder", bound=StrPath)
MOST_AT_ONCE = 8
"""Larger batches than those of eight adapters need more memory and gain little time."""


def combine(axes: Mapping[str, Sequence[object]]) -> dict[str, dict[str, object]]:
    """Every combination of the knobs' values, by the name of its folder: "learning_rate=0.001,rank=4".

    Raises `UserError` where a value comes twice, or cannot be part of a folder's name.
    """
    for knob, values in axes.items():
        if len(set(map(str, values))) < len(values):
            raise UserError(f"{knob} has a value twice: give each once.")
        for value in map(str, values):
            if not value or any(letter in '/\\:*?"<>|' or not letter.isprintable() for letter in value):
                raise UserError(f"{value!r} cannot name a folder: learn it by itself instead.")
    combinations = (dict(zip(axes, values, strict=True)) for values in product(*axes.values()))
    return {",".join(f"{knob}={value}" for knob, value in one.items()): one for one in combinations}


def sweep(
    character: Character,
    recipes: Mapping[Folder, Recipe],
    notify: Notify = ignore,
    device: str = "auto",
    grid_intensity: float | None = None,
) -> list[Run]:
    """Learn the character by every recipe, each in the run folder that is its key.

    Those that can be learned together are, at most eight at once, the others one after another. What is
    finished is not learned again, and the same call goes on with what is there. Raises as `learn` does.
    """
    groups = list(_group(recipes))
    runs: dict[Path, Run] = {}
    for number, group in enumerate(groups, start=1):
        names = ", ".join(Path(folder).name for folder in group)
        notify(Note(f"{number} of {len(groups)}: {names}."))
        alike = {folder: one for folder, one in group.items() if isinstance(one, DreamBoothLora)}
        if len(group) > 1:
            learned = learn_together(character, alike, notify, device, grid_intensity)
        else:
            learned = [
                learn(character, one, folder, never_stop, notify, device, grid_intensity)
                for folder, one in group.items()
            ]
        runs |= {run.folder: run for run in learned}
    return [runs[Path(folder)] for folder in recipes]


def _group(recipes: Mapping[Folder, Recipe]) -> Iterator[dict[Folder, Recipe]]:
    """Those that can be learned together, in the order in which the first of each comes."""
    left = dict(recipes)
    while left:
        first = next(iter(left.values()))
        group = [folder for folder, one in left.items() if one is first or can_share(first, one)]
        yield {folder: left.pop(folder) for folder in group[:MOST_AT_ONCE]}
