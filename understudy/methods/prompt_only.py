"""Prompt-only: nothing is learned, the character is described in words; the baseline of every comparison."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from understudy.domain import Character
from understudy.events import Notify, Step
from understudy.methods.opening import open_base_of
from understudy.methods.painting import Painter, paint_subject
from understudy.methods.reviewing import Review
from understudy.recipes import PromptOnly
from understudy.runs import Checkpoint, Run


def learn(character: Character, recipe: PromptOnly, run: Run, review: Review, notify: Notify) -> None:
    """Make the run's one checkpoint, which holds no weights."""
    if run.newest() is None:
        run.save(0, _write_nothing, keep=True)
    notify(Step("learning", 1, 1))


@contextmanager
def open_painter(
    run: Run, recipe: PromptOnly, checkpoint: Checkpoint, device: str, notify: Notify
) -> Iterator[Painter]:
    """The base itself, which reads the description where a prompt says the name."""
    with open_base_of(run, device) as base:
        yield paint_subject(base, recipe, run, checkpoint, notify)


def _write_nothing(folder: Path) -> None:
    pass
