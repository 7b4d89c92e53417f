"""Learning a character: the run is begun, the method chosen, the cost measured."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import assert_never

import understudy.methods.dreambooth as dreambooth
import understudy.methods.dreambooth_lora as dreambooth_lora
import understudy.methods.gan as gan
import understudy.methods.prompt_only as prompt_only
import understudy.methods.reference as reference
import understudy.methods.scratch_diffusion as scratch_diffusion
import understudy.methods.textual_inversion as textual_inversion
from understudy.bases.catalog import find_base, hash_base, name_base
from understudy.domain import Character
from understudy.drawings.keep import keep_drawings
from understudy.events import Note, Notify, ignore
from understudy.footprint import measuring
from understudy.launched import count_launched
from understudy.methods.computing.fused_backward import refuse_several
from understudy.methods.computing.learning_plans import check_before_fetching, plan_learning
from understudy.methods.computing.planning import (
    choose_plan,
    list_versions,
    note_imitated,
    note_other_versions,
)
from understudy.methods.computing.plans import Choice
from understudy.methods.computing.processes import Processes, Released, copied, joining
from understudy.methods.loop import has_learned
from understudy.methods.optimizers import check_optimizer
from understudy.methods.prompt_only import Trial
from understudy.methods.refusing import check_family
from understudy.methods.reviewing import Review, never_stop
from understudy.recipes import (
    DreamBooth,
    DreamBoothLora,
    Finetune,
    FromNothing,
    Gan,
    Learning,
    Lora,
    PromptOnly,
    Recipe,
    Reference,
    ScratchDiffusion,
    TextualInversion,
)
from understudy.runs import (
    MANIFEST_FILE,
    Manifest,
    Run,
    StrPath,
    begin_run,
    check_run,
    open_run,
    record_drawings,
)


def learn(
    character: Character,
    recipe: Recipe,
    run: StrPath,
    review: Review = never_stop,
    notify: Notify = ignore,
    device: str = "auto",
    grid_intensity: float | None = None,
    trial: Trial | None = None,
    described: str = "",
) -> Run:
    """Learn the character by the recipe in the folder `run`; the same call goes on with what is there.

    What it costs is added to the run's `footprint.json`; `grid_intensity` is in g CO2e per kWh, the world's
    average where it is not given. `trial` is how prompt-only finds its words, `described` the character in
    words, with which a learned word may begin; without them the noun alone stands for the character
    (`understudy.learning` brings both). Raises `UserError` for whatever the
    user can mend and `Cancelled` when the listener stops the work, which the same call takes up again later.
    """
    if isinstance(recipe, Finetune):
        check_optimizer(recipe)
        check_family(recipe, notify)
    if isinstance(recipe, Reference):
        reference.count_references(recipe, recipe.base, notify)  # refused before anything is made
    with joining(recipe, device) as processes:
        if not processes.is_first:
            _follow(character, recipe, Path(run), processes, described)
            return Run(Path(run))
        check_run(run, recipe)
        if isinstance(recipe, Finetune) and not is_begun(run):
            check_before_fetching(recipe, device, notify)
        folder = None if isinstance(recipe, FromNothing) else find_base(recipe.base, notify)
        choice = find_plan(run, recipe, folder, device, notify)
        manifest = make_manifest(character, recipe, folder, choice)
        with begin_run(run, recipe, manifest) as begun:
            note_other_versions(begun.manifest, notify)
            note_imitated(begun.manifest.plan, notify)
            if processes.count > 1:
                notify(Note(f"Learning in {processes.count} processes, each with its part of every batch."))
            keep_drawings(character, begun)
            with measuring(begun, notify, grid_intensity) as listen:
                if isinstance(recipe, Learning) and has_learned(begun, recipe, review, listen):
                    processes.tell(False)
                else:
                    _learn(character, recipe, begun, review, listen, trial, described)
        return begun


def _learn(
    character: Character,
    recipe: Recipe,
    run: Run,
    review: Review,
    notify: Notify,
    trial: Trial | None,
    described: str,
) -> None:
    match recipe:
        case DreamBoothLora() | Lora():
            dreambooth_lora.learn(character, recipe, run, review, notify, described)
        case DreamBooth():
            dreambooth.learn(character, recipe, run, review, notify)
        case TextualInversion():
            textual_inversion.learn(character, recipe, run, review, notify, described)
        case PromptOnly():
            prompt_only.learn(character, recipe, run, review, notify, trial)
        case Reference():
            reference.learn(recipe, run, notify)
        case Gan():
            gan.learn(character, recipe, run, review, notify)
        case ScratchDiffusion():
            scratch_diffusion.learn(character, recipe, run, review, notify)
        case _:
            assert_never(recipe)


def _follow(character: Character, recipe: Recipe, run: Path, processes: Processes, described: str) -> None:
    """Learn as the first process does, with its part of every batch, and keep nothing."""
    if processes.hear():
        with copied(run) as copy, suppress(Released):
            _learn(character, recipe, copy, never_stop, ignore, None, described)


def find_plan(
    run: StrPath,
    recipe: Recipe,
    folder: Path | None,
    device: str,
    notify: Notify,
    num_together: int = 1,
) -> Choice:
    """The plan that the run was begun with, or a new one; `folder` is where its base lies."""
    if is_begun(run):
        begun = open_run(run).manifest
        if begun.plan.fused_backward and count_launched() > 1:
            raise refuse_several()
        return Choice(begun.plan, begun.forecast_bytes, begun.measured_bytes)
    if folder is not None and isinstance(recipe, Finetune):
        return plan_learning(recipe, folder, device, notify, num_together)
    return Choice(choose_plan(folder, device))


def is_begun(run: StrPath) -> bool:
    """Whether the run has a plan already."""
    return (Path(run) / MANIFEST_FILE).is_file()


def make_manifest(character: Character, recipe: Recipe, folder: Path | None, choice: Choice) -> Manifest:
    """What a run of this recipe is made with."""
    return Manifest(
        name=character.name,
        noun=character.noun,
        drawings=record_drawings(character),
        base=None if isinstance(recipe, FromNothing) else name_base(recipe.base),
        base_sha256=None if folder is None else hash_base(folder),
        plan=choice.plan,
        forecast_bytes=choice.forecast_bytes,
        measured_bytes=choice.measured_bytes,
        versions=list_versions(),
        rights=character.rights,
    )
