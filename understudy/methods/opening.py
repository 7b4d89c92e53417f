"""Opening the base that a run was learned on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from understudy.bases.base import Base
from understudy.bases.catalog import find_base, hash_base, read_layout
from understudy.bases.opening import find_kind, open_base
from understudy.domain import UserError
from understudy.events import Note, Notify, ignore
from understudy.methods.computing.planning import choose_plan
from understudy.methods.hastening import find_fast, plan_drawing
from understudy.recipes import AS_IT_IS, Faster
from understudy.runs import Run

BY_LAYERS = (
    "The base is larger than what is free on the graphics card, so it comes layer by layer, which is slow: "
    "where its denoiser is what is too large, --quantization nf4 draws faster."
)


def base_of(run: Run) -> str:
    """The name or absolute path of the run's base, found from anywhere, which the recipe's need not be.

    Raises `UserError` if it was learned without one.
    """
    name = run.manifest.base
    if name is None:
        raise UserError(f"{run.folder} was learned without a base: there is nothing to draw with before it.")
    return name


@contextmanager
def open_base_of(run: Run, device: str, notify: Notify = ignore, faster: Faster = AS_IT_IS) -> Iterator[Base]:
    """The run's base on `device`, opened as `faster` wants it.

    Raises `UserError` if it is not the one that the run was learned on, or if that was learned without one.
    """
    name = base_of(run)
    folder = find_base(name, notify)
    if hash_base(folder) != run.manifest.base_sha256:
        raise UserError(
            f"The base {name!r} has changed since {run.folder} was learned: "
            "bring the old one back, or learn the character again."
        )
    dares_fp16 = run.manifest.plan.precision == "fp16"
    plan = plan_drawing(choose_plan(folder, device, dares_fp16=dares_fp16), folder, faster)
    if faster.fast:
        find_fast(name, faster.fast, notify)  # before the base is opened, which takes long
    if find_kind(read_layout(folder).family).draws_by_layers(plan):
        notify(Note(BY_LAYERS))
    yield open_base(folder, plan)
