"""Whether the disk has room for what a run will keep, asked before its first step."""

from __future__ import annotations

import shutil

from understudy.domain import UserError
from understudy.methods.optimizers import BYTES_OF_MOMENTS
from understudy.recipes import Finetune, Learning
from understudy.runs import NUM_STATES_KEPT, Run

OF_WEIGHTS = "weights."
"""How the names of what Adam moves begin in a state."""


def refuse_full_disk(run: Run, sizes: dict[str, int], recipe: Learning, step: int) -> None:
    """Raise `UserError` where the states of a run, with the one that is being written, do not fit its disk.

    `sizes` are the bytes of all that the state has by name; before the first step Adam's moments are not
    among them.
    """
    state: float = sum(sizes.values())
    if step == 0:
        optimizer = recipe.optimizer if isinstance(recipe, Finetune) else "adam"
        weights = sum(size for name, size in sizes.items() if name.startswith(OF_WEIGHTS))
        state += weights * BYTES_OF_MOMENTS[optimizer] / 4  # weights are fp32
    to_come = NUM_STATES_KEPT + 1 - min(len(run.checkpoints()), NUM_STATES_KEPT)
    free = shutil.disk_usage(run.folder).free
    if state * to_come > free:
        raise UserError(
            f"What the run keeps takes {state * to_come / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free "
            f"in {run.folder}: make room and give the same command again, or move it to a larger disk."
        )
