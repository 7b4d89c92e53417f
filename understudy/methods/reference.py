"""Reference: nothing is learned, the base looks at drawings while it draws; the zero-shot arm of comparisons.

Which drawings it is shown stands in the run's `references.json`; they lie in its folder `drawings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from understudy.bases.base import Base
from understudy.bases.catalog import find_family
from understudy.bases.fetching.fetch import find_on_disk
from understudy.bases.opening import find_kind, find_kind_in
from understudy.domain import UserError
from understudy.drawings.keep import kept_character
from understudy.drawings.references import rank_references, read_choice, write_choice
from understudy.events import Notify, Step, ignore
from understudy.methods.opening import base_of, open_base_of
from understudy.methods.painting import Painter, paint_subject
from understudy.methods.references import References
from understudy.recipes import Faster, Reference
from understudy.runs import Checkpoint, Run


def count_references(recipe: Reference, base: str, notify: Notify = ignore) -> int:
    """How many drawings a base is shown at most; raises `UserError` where it can be shown none."""
    most = _find_kind(base, notify).max_references
    if not most:
        raise UserError(
            f"The base {base!r} cannot be shown drawings: give --base klein, kontext or qwen-edit, or a "
            "folder with FLUX.2 klein, FLUX.1 Kontext or Qwen-Image-Edit."
        )
    return min(recipe.max_references, most)


def _find_kind(base: str, notify: Notify) -> type[Base]:
    """Of one that is not on the disk the family says it, without fetching it where it is known by name."""
    here = find_on_disk(base)
    return find_kind(find_family(base, notify)) if here is None else find_kind_in(here)


def learn(recipe: Reference, run: Run, notify: Notify) -> None:
    """Choose the drawings that are shown, and make the run's one checkpoint, which holds no weights."""
    if read_choice(run) is None:
        drawings = kept_character(run).drawings
        chosen = rank_references(drawings, recipe.seed)[: count_references(recipe, base_of(run))]
        write_choice(run, [drawings[number].path.name for number in chosen])
    if run.newest() is None:
        run.save(0, _write_nothing, keep=True)
    notify(Step("learning", 1, 1))


@contextmanager
def open_painter(
    run: Run, recipe: Reference, checkpoint: Checkpoint, device: str, notify: Notify, faster: Faster
) -> Iterator[Painter]:
    """The base itself, which is shown the chosen drawings where a prompt says the name."""
    most = count_references(recipe, base_of(run), notify)
    with open_base_of(run, device, notify, faster) as base:
        yield paint_subject(base, recipe, run, checkpoint, notify, faster, References(run, most))


def _write_nothing(folder: Path) -> None:
    pass
