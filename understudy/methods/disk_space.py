"""Whether the disk has room for what a run will keep, asked before its first step."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

from understudy.domain import UserError
from understudy.methods.optimizers import BYTES_OF_MOMENTS
from understudy.recipes import Finetune, Learning
from understudy.runs import NUM_STATES_KEPT, Run

OF_WEIGHTS = "weights."
"""How the names of what Adam moves begin in a state."""


def refuse_full_disk(states: Sequence[tuple[Run, Mapping[str, int]]], recipe: Learning, step: int) -> None:
    """Raise `UserError` where what runs that learn at once will keep does not fit their disk.

    `states` are the runs with the bytes of all that a state has by name; before the first step Adam's moments
    are not among them. A run that keeps nothing takes no room.
    """
    kept = [(run, _count_bytes(sizes, recipe, step) * _to_come(run)) for run, sizes in states if run.keeps]
    if not kept:
        return
    taken, folder = sum(size for _, size in kept), kept[0][0].folder
    free = shutil.disk_usage(folder).free
    if taken > free:
        raise UserError(
            f"What the run keeps takes {taken / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free "
            f"in {folder}: make room and give the same command again, or move it to a larger disk."
        )


def _to_come(run: Run) -> int:
    """How many states will be there at once, beside those that are already, while one is written."""
    return NUM_STATES_KEPT + 1 - min(len(run.checkpoints()), NUM_STATES_KEPT)


def _count_bytes(sizes: Mapping[str, int], recipe: Learning, step: int) -> float:
    state: float = sum(sizes.values())
    if step == 0:
        optimizer = recipe.optimizer if isinstance(recipe, Finetune) else "adam"
        weights = sum(size for name, size in sizes.items() if name.startswith(OF_WEIGHTS))
        state += weights * BYTES_OF_MOMENTS[optimizer] / 4  # weights are fp32
    return state
