"""Which of the known bases a machine can take, how, and which is advised. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from understudy.bases.choosing.known import KNOWN, KnownBase
from understudy.bases.choosing.machine import FREE_NOTEBOOK, Gpu
from understudy.bases.choosing.memory import (
    DRAWING_PLANS,
    LEARNING_PLANS,
    DrawingPlan,
    LearningPlan,
    estimate_drawing,
    forecast_learning,
    list_drawing_plans,
)
from understudy.bases.fetching.fetch import OWN, find_fetched
from understudy.hub import Hub
from understudy.recipes import PUPPET


@dataclass(frozen=True)
class Here:
    """What this machine can do with a base: the fastest plans that fit, None where none does."""

    base: KnownBase
    learning: LearningPlan | None
    drawing: DrawingPlan | None
    folder: Path | None
    """Where it lies on the disk, if it does."""


def look_at_bases(gpu: Gpu | None, hub: Hub = OWN) -> list[Here]:
    """All known bases, as advised from first to last."""
    return [
        Here(base, fit_learning(base, gpu), fit_drawing(base, gpu), find_fetched(base, hub)) for base in KNOWN
    ]


def fit_learning(base: KnownBase, gpu: Gpu | None) -> LearningPlan | None:
    """The fastest plan by which a base learns on a card, or None; the embedded base needs no card."""
    if base.name == PUPPET:
        return LEARNING_PLANS[0]
    if gpu is None or not base.learns or not _computes(base, gpu):
        return None
    fitting = (one for one in LEARNING_PLANS if forecast_learning(base.size, one) <= gpu.learnable_gib)
    return next(fitting, None)


def fit_drawing(base: KnownBase, gpu: Gpu | None) -> DrawingPlan | None:
    """The fastest plan by which a base draws on a card, or None; the embedded base needs no card."""
    if base.name == PUPPET:
        return DRAWING_PLANS[0]
    if gpu is None or not _computes(base, gpu):
        return None
    plans = list_drawing_plans(base.family)
    fitting = (one for one in plans if estimate_drawing(base.size, one) <= gpu.usable_gib)
    return next(fitting, None)


def advise(gpu: Gpu | None) -> KnownBase:
    """The first real base that learns here in full precision, else quantised, else the embedded one."""
    plans = {base.name: fit_learning(base, gpu) for base in KNOWN[1:]}
    for is_wanted in (_is_unquantised, _is_any):
        for base in KNOWN[1:]:
            if is_wanted(plans[base.name]):
                return base
    return KNOWN[0]


def say_plan(plan: LearningPlan | DrawingPlan | None, gpu: Gpu | None) -> str:
    """How this machine does it, or "no" where it cannot."""
    if plan is None:
        return "no"
    if gpu is None:
        return "on the processor"
    return str(plan) if gpu.has_bf16 else str(plan).replace("bf16", "fp16")


def say_advice(gpu: Gpu | None) -> str:
    """What to take here, in a sentence or two."""
    base = advise(gpu)
    if gpu is not None:
        plan = say_plan(fit_learning(base, gpu), gpu)
        return f"Advised on this {gpu.name} ({gpu.memory_gib:.1f} GiB): {base.name} ({plan})."
    names = [one.name for one in KNOWN[1:] if fit_learning(one, FREE_NOTEBOOK)]
    return (
        f"There is no CUDA graphics card here: {base.name} learns on the processor. A free notebook's "
        f"{FREE_NOTEBOOK.name} ({FREE_NOTEBOOK.memory_gib:.1f} GiB) could take {', '.join(names)}."
    )


def _computes(base: KnownBase, gpu: Gpu) -> bool:
    return gpu.has_bf16 or base.computes_in_fp16


def _is_unquantised(plan: LearningPlan | None) -> bool:
    return plan is not None and plan.weights == "bf16" and not plan.by_blocks


def _is_any(plan: LearningPlan | None) -> bool:
    return plan is not None
