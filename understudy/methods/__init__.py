"""The methods: how a base comes to know a character."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, assert_never

import torch

import understudy.methods.dreambooth as dreambooth
import understudy.methods.dreambooth_lora as dreambooth_lora
import understudy.methods.gan as gan
import understudy.methods.prompt_only as prompt_only
import understudy.methods.reference as reference
import understudy.methods.scratch_diffusion as scratch_diffusion
import understudy.methods.textual_inversion as textual_inversion
import understudy.methods.together as together
from understudy.bases.catalog import find_base, hash_base, name_base
from understudy.domain import Character, UserError
from understudy.drawings.keep import keep_drawings
from understudy.events import Note, Notify, ignore
from understudy.footprint import measuring
from understudy.methods.computing.learning_plans import plan_learning
from understudy.methods.computing.planning import choose_plan, list_versions, note_other_versions
from understudy.methods.computing.plans import Choice
from understudy.methods.computing.processes import Processes, Released, copied, joining, refuse_several
from understudy.methods.hastening import hasten
from understudy.methods.loop import has_learned
from understudy.methods.opening import base_of, open_base_of
from understudy.methods.optimizers import check_optimizer
from understudy.methods.painting import Painter, PipelinePainter
from understudy.methods.prompt_only import Trial
from understudy.methods.refusing import check_family
from understudy.methods.reviewing import Review, never_stop
from understudy.recipes import (
    AS_IT_IS,
    DreamBooth,
    DreamBoothLora,
    Faster,
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
    Checkpoint,
    Manifest,
    Run,
    StrPath,
    begin_run,
    open_run,
    record_drawings,
)

__all__ = ["Painter", "learn", "learn_together", "open_base_painter", "open_painter"]

Folder = TypeVar("Folder", bound=StrPath)


def learn(
    character: Character,
    recipe: Recipe,
    run: StrPath,
    review: Review = never_stop,
    notify: Notify = ignore,
    device: str = "auto",
    grid_intensity: float | None = None,
    trial: Trial | None = None,
) -> Run:
    """Learn the character by the recipe in the folder `run`; the same call goes on with what is there.

    What it costs is added to the run's `footprint.json`; `grid_intensity` is in g CO2e per kWh, the world's
    average where it is not given. `trial` is how prompt-only finds its words, without it the noun alone
    stands for the character; `understudy.learning` brings the judge's. Raises `UserError` for whatever the
    user can mend and `Cancelled` when the listener stops the work, which the same call takes up again later.
    """
    if isinstance(recipe, Finetune):
        check_optimizer(recipe)
        check_family(recipe, notify)
    if isinstance(recipe, Reference):
        reference.count_references(recipe, recipe.base, notify)  # refused before anything is made
    with joining(recipe, device) as processes:
        if not processes.is_first:
            _follow(character, recipe, Path(run), processes)
            return Run(Path(run))
        folder = None if isinstance(recipe, FromNothing) else find_base(recipe.base, notify)
        choice = _find_plan(run, recipe, folder, device, notify)
        manifest = _make_manifest(character, recipe, folder, choice)
        with begin_run(run, recipe, manifest) as begun:
            note_other_versions(begun.manifest, notify)
            if processes.count > 1:
                notify(Note(f"Learning in {processes.count} processes, each with its part of every batch."))
            keep_drawings(character, begun)
            with measuring(begun, notify, grid_intensity) as listen:
                if isinstance(recipe, Learning) and has_learned(begun, recipe, review, listen):
                    processes.tell(False)
                else:
                    _learn(character, recipe, begun, review, listen, trial)
        return begun


def _learn(
    character: Character, recipe: Recipe, run: Run, review: Review, notify: Notify, trial: Trial | None
) -> None:
    match recipe:
        case DreamBoothLora() | Lora():
            dreambooth_lora.learn(character, recipe, run, review, notify)
        case DreamBooth():
            dreambooth.learn(character, recipe, run, review, notify)
        case TextualInversion():
            textual_inversion.learn(character, recipe, run, review, notify)
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


def _follow(character: Character, recipe: Recipe, run: Path, processes: Processes) -> None:
    """Learn as the first process does, with its part of every batch, and keep nothing."""
    if processes.hear():
        with copied(run) as copy, suppress(Released):
            _learn(character, recipe, copy, never_stop, ignore, None)


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
    base = find_base(first.base, notify)
    choice = _find_plan(folders[0], first, base, device, notify, len(folders))
    # The batch of all is large enough to be shared between threads, which that of one is not.
    plan = choice.plan.model_copy(update={"threads": torch.get_num_threads()})
    manifest = _make_manifest(character, first, base, replace(choice, plan=plan))
    manifest = manifest.model_copy(update={"learned_with": names})
    with ExitStack() as stack:
        runs = [
            stack.enter_context(begin_run(folder, recipe, manifest))
            for folder, recipe in zip(folders, recipes.values(), strict=True)
        ]
        note_other_versions(runs[0].manifest, notify)
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


@contextmanager
def open_base_painter(
    run: StrPath, device: str = "auto", notify: Notify = ignore, faster: Faster = AS_IT_IS
) -> Iterator[Painter]:
    """The painter of a run's base as it was before it learned; the character's name is only a word to it.

    It is opened to draw with settings whose `faster` this is. Raises `UserError` if the base is not the one
    that the run was learned on, or if it was learned without.
    """
    opened = open_run(run)
    with open_base_of(opened, device, notify, faster) as base:
        hastened = hasten(base, base_of(opened), faster, notify)
        purpose = {"purpose": "the base alone"}
        yield PipelinePainter(base, base.prompting.complete, purpose, notify, hastened=hastened)


@contextmanager
def open_painter(
    run: StrPath,
    checkpoint: Checkpoint | None = None,
    device: str = "auto",
    notify: Notify = ignore,
    faster: Faster = AS_IT_IS,
) -> Iterator[Painter]:
    """The painter of a run, with its newest checkpoint or the one given; it tells its steps to `notify`.

    It is opened to draw with settings whose `faster` this is. Raises `UserError` if nothing is learned there
    yet, if the base is not the one it was learned on, or for what cannot draw faster so.
    """
    opened = open_run(run)
    checkpoint = checkpoint or opened.newest()
    if checkpoint is None:
        raise UserError(f"Nothing is learned in {opened.folder} yet: give the same learn command again.")
    recipe = opened.recipe
    if isinstance(recipe, FromNothing) and faster != AS_IT_IS:
        raise UserError("A method without a base is fast as it is: leave out what would draw faster.")
    _note_half_learned(opened, checkpoint, notify)
    match recipe:
        case DreamBoothLora() | Lora():
            painter = dreambooth_lora.open_painter(opened, recipe, checkpoint, device, notify, faster)
        case DreamBooth():
            painter = dreambooth.open_painter(opened, recipe, checkpoint, device, notify, faster)
        case TextualInversion():
            painter = textual_inversion.open_painter(opened, recipe, checkpoint, device, notify, faster)
        case PromptOnly():
            painter = prompt_only.open_painter(opened, recipe, checkpoint, device, notify, faster)
        case Reference():
            painter = reference.open_painter(opened, recipe, checkpoint, device, notify, faster)
        case Gan():
            painter = gan.open_painter(opened, checkpoint, device)
        case ScratchDiffusion():
            painter = scratch_diffusion.open_painter(opened, recipe, checkpoint, device, notify)
        case _:
            assert_never(recipe)
    with painter as opened_painter:
        yield opened_painter


def _find_plan(
    run: StrPath,
    recipe: Recipe,
    folder: Path | None,
    device: str,
    notify: Notify,
    num_together: int = 1,
) -> Choice:
    """The plan that the run was begun with, or a new one; `folder` is where its base lies."""
    if (Path(run) / MANIFEST_FILE).is_file():
        begun = open_run(run).manifest
        return Choice(begun.plan, begun.forecast_bytes, begun.measured_bytes)
    if folder is not None and isinstance(recipe, Finetune):
        return plan_learning(recipe, folder, device, notify, num_together)
    return Choice(choose_plan(folder, device))


def _make_manifest(character: Character, recipe: Recipe, folder: Path | None, choice: Choice) -> Manifest:
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


def _note_half_learned(run: Run, checkpoint: Checkpoint, notify: Notify) -> None:
    """Say so where learning was stopped early: the pictures will be worse than they need be."""
    recipe = run.recipe
    if not isinstance(recipe, Learning) or checkpoint != run.newest() or run.manifest.stopped_at is not None:
        return
    if checkpoint.step < recipe.steps:
        notify(
            Note(
                f"Only {checkpoint.step} of {recipe.steps} steps are learned, so the pictures are worse than "
                "they will be: the same learn command goes on."
            )
        )
