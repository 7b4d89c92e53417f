"""Opening the painter of a run: what it learned, or its base alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import assert_never

import understudy.methods.dreambooth as dreambooth
import understudy.methods.dreambooth_lora as dreambooth_lora
import understudy.methods.gan as gan
import understudy.methods.prompt_only as prompt_only
import understudy.methods.reference as reference
import understudy.methods.scratch_diffusion as scratch_diffusion
import understudy.methods.textual_inversion as textual_inversion
from understudy.domain import UserError
from understudy.events import Note, Notify, ignore
from understudy.methods.hastening import hasten
from understudy.methods.opening import base_of, open_base_of
from understudy.methods.painting import Painter, PipelinePainter
from understudy.recipes import (
    AS_IT_IS,
    DreamBooth,
    DreamBoothLora,
    Faster,
    FromNothing,
    Gan,
    Learning,
    Lora,
    PromptOnly,
    Reference,
    ScratchDiffusion,
    TextualInversion,
)
from understudy.runs import Checkpoint, Run, StrPath, open_run


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
