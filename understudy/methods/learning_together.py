"""Learning a character by several recipes at once, each in a run of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch

import understudy.methods.dreambooth_lora as dreambooth_lora
import understudy.methods.together as together
from understudy.bases.catalog import find_base
from understudy.domain import Character, UserError
from understudy.drawings.keep import keep_drawings
from understudy.events import Notify, ignore
from understudy.footprint import measuring
from understudy.methods.computing.learning_plans import check_before_fetching
from understudy.methods.computing.planning import note_imitated, note_other_versions
from understudy.methods.computing.processes import refuse_several
from understudy.methods.learning import find_plan, is_begun, make_manifest
from understudy.methods.loop import has_learned
from understudy.methods.refusing import check_family
from understudy.methods.reviewing import never_stop
from understudy.recipes import DreamBoothLora
from understudy.runs import Run, StrPath, begin_run, check_run

Folder = TypeVar("Folder", bound=StrPath)


def learn_together(
    character: Character,
    recipes: Mapping[Folder, DreamBoothLora],
    notify: Notify = ignore,
    device: str = "auto",
    grid_intensity: float | None = None,
) -> list[Run]:
    """Learn the character by several recipes at once, each in the run folder that is its key.

    The recipes may differ in learning rate, rank, min_rank, alpha and seed. Every run ends as if it had
    been learned alone, but for rounding, in less time than one after another; the same call goes on with
    what is there. A run that was begun otherwise is learned by itself, and its footprint is its share of
    the whole. Raises `UserError` where the recipes differ in anything else, or can only be learned alone
    (`together.can_join`), or two folders have one name, and `Cancelled` when the listener stops the work.
    """
    refuse_several("Several runs learn together")
    folders = [Path(folder) for folder in recipes]
    names = tuple(sorted(folder.resolve().name for folder in folders))
    if len(set(names)) < len(names):
        raise UserError("Two of the run folders have the same name: give each its own.")
    if not all(map(together.can_join, recipes.values())):
        raise UserError(
            "Only the adapter lora, by the optimizer adam and without vectors, text_learning_rate and "
            "pull, is learned together with others: learn the others alone."
        )
    first, *others = recipes.values()
    if not all(together.can_share(first, other) for other in others):
        knobs = ", ".join(sorted(together.OWN_KNOBS))
        raise UserError(f"Only {knobs} may differ in what is learned together: learn the others alone.")
    check_family(first, notify)
    for folder, recipe in zip(folders, recipes.values(), strict=True):
        check_run(folder, recipe)
    if not all(is_begun(folder) for folder in folders):
        joint = first.model_copy(update={"batch": first.batch * len(folders)})
        check_before_fetching(joint, device, notify)
    base = find_base(first.base, notify)
    choice = find_plan(folders[0], first, base, device, notify, len(folders))
    # The batch of all is large enough to be shared between threads, which that of one is not.
    plan = choice.plan.model_copy(update={"threads": torch.get_num_threads()})
    manifest = make_manifest(character, first, base, replace(choice, plan=plan))
    manifest = manifest.model_copy(update={"learned_with": names})
    with ExitStack() as stack:
        runs = [
            stack.enter_context(begin_run(folder, recipe, manifest))
            for folder, recipe in zip(folders, recipes.values(), strict=True)
        ]
        note_other_versions(runs[0].manifest, notify)
        note_imitated(runs[0].manifest.plan, notify)
        joined: dict[Run, DreamBoothLora] = {}
        for run, recipe in zip(runs, recipes.values(), strict=True):
            keep_drawings(character, run)
            if run.manifest.learned_with == names:
                joined[run] = recipe
            else:
                with measuring(run, notify, grid_intensity) as listen:
                    if not has_learned(run, recipe, never_stop, listen):
                        dreambooth_lora.learn(character, recipe, run, never_stop, listen)
        if joined:
            listen = notify
            for run in joined:
                listen = stack.enter_context(measuring(run, listen, grid_intensity, share=1 / len(joined)))
            together.learn(character, list(joined.values()), list(joined), listen)
    return runs
