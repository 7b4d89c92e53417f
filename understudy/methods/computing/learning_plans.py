"""The plan of a run that learns on a base: what `plans` decides, about this machine and this base."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from understudy.bases.base import DTYPES
from understudy.bases.catalog import read_layout
from understudy.bases.fetching.fetch import fetch_configs, find_on_disk
from understudy.bases.hollow import open_hollow
from understudy.bases.opening import find_kind
from understudy.bases.quantizing import MODULES, check_quantization, find_usable
from understudy.domain import UserError
from understudy.events import Note, Notify
from understudy.launched import count_launched
from understudy.methods.computing.compiled_gradients import LostGradients
from understudy.methods.computing.forecast import Forecast, Forecaster, count_all_weights
from understudy.methods.computing.fused_backward import check_fused
from understudy.methods.computing.graphs import NotCaptured, why_not
from understudy.methods.computing.host_copies import copies_from_host
from understudy.methods.computing.planning import choose_plan, following, has_compiler, is_small
from understudy.methods.computing.plans import (
    GIB,
    Choice,
    Machine,
    TooSmall,
    describe,
    list_plans,
    pick,
    refuse,
)
from understudy.methods.computing.trial_step import measure_peak
from understudy.methods.refusing import check_kind
from understudy.recipes import Finetune, LearnsWord
from understudy.runs import Plan


def plan_learning(
    recipe: Finetune, folder: Path, device: str, notify: Notify, num_together: int = 1
) -> Choice:
    """How learning by `recipe` on the base in `folder` computes on this machine.

    For a large base on a graphics card by `plans`, after a step on it that is measured; `num_together`
    adapters learn at once. Raises `UserError` where nothing fits, before anything long begins.
    """
    is_large = not is_small(folder)
    first = _begin(recipe, folder, device)
    if not (is_large and first.device.startswith("cuda")):
        machine = Machine(0, find_usable(first.device), False, count_launched())
        plan = list_plans(first, recipe, machine)[0]
        reason = _why_uncaptured(plan, recipe, folder, is_large, num_together)
        _tell_uncaptured(reason, recipe, notify)
        return Choice(plan.model_copy(update={"captured": not reason}))
    machine = find_machine(first.device, folder)
    reason = _why_uncaptured(first, recipe, folder, is_large, num_together)
    machine = replace(machine, captures=not reason)
    joint = recipe.model_copy(update={"batch": recipe.batch * num_together})
    forecast = Forecaster(folder, joint, machine.processes)
    trials = _Trials(folder, joint, notify)
    try:
        choice = pick(list_plans(first, recipe, machine), machine, forecast, trials)
    except TooSmall as small:
        raise refuse_all(small, machine, joint, folder, first) from None
    if not (choice.plan.captured or trials.fails):
        _tell_uncaptured(reason or why_not(choice.plan, recipe) or "that did not fit", recipe, notify)
    notify(Note(describe(choice, machine)))
    return choice


def check_before_fetching(recipe: Finetune, device: str, notify: Notify) -> None:
    """Raise `UserError` for what this machine lacks to learn on a base, before its weights are fetched.

    Where nothing fits the graphics card that says what would; on a processor a note says what comes.
    """
    here = find_on_disk(recipe.base)
    folder = here or fetch_configs(recipe.base, notify)
    first = _begin(recipe, folder, device)
    if is_small(folder):
        return
    if first.device == "cpu":
        whole = DTYPES[first.precision].itemsize * count_all_weights(folder) / GIB
        there = f"in {first.precision}, slowly, and takes {whole:.0f} GiB of the machine's memory or more"
        notify(Note(f"Without a graphics card {recipe.base} learns on the processor {there}."))
    elif here is None and first.device.startswith("cuda"):  # else the dry step says it soon enough
        machine = replace(find_machine(first.device, folder), compiles=False)
        try:
            forecast = Forecaster(folder, recipe, machine.processes)
            pick(list_plans(first, recipe, machine), machine, forecast, lambda plan: 0)
        except TooSmall as small:
            raise refuse_all(small, machine, recipe, folder, first) from None


def _begin(recipe: Finetune, folder: Path, device: str) -> Plan:
    """What all plans for the base in `folder` begin from; raises `UserError` for what cannot be here."""
    first = choose_plan(folder, device, recipe.precision)
    _check_shards(recipe, count_launched())
    check_fused(recipe, first.precision, count_launched())
    if isinstance(recipe, LearnsWord) and recipe.quantization != "auto":
        check_quantization(recipe.quantization, find_usable(first.device))
    return first.model_copy(update={"offload": "none" if is_small(folder) else "encoders"})


def _why_uncaptured(plan: Plan, recipe: Finetune, folder: Path, is_large: bool, num_together: int) -> str:
    """Why no step of the base in `folder` is captured whose plan begins so; empty where one may be."""
    if not _is_asked(plan, recipe, is_large):
        return "it was not asked for"
    if num_together > 1:
        return "several adapters learn at once"
    reason = why_not(plan, recipe)
    if not reason and is_large and copies_from_host(folder, recipe.resolution_px):
        return "its denoiser is given numbers of Python's in every step"
    return reason


def _is_asked(plan: Plan, recipe: Finetune, is_large: bool) -> bool:
    """Whether a step of such a plan shall be captured where it can be."""
    if recipe.cuda_graph != "auto":
        return recipe.cuda_graph == "yes"
    return not (is_large or plan.compiled or plan.checkpointing != "none")


def _tell_uncaptured(reason: str, recipe: Finetune, notify: Notify) -> None:
    """Say so where it was asked for and is not done."""
    if reason and recipe.cuda_graph == "yes":
        notify(Note(f"No step is captured as a CUDA graph, because {reason}."))


@dataclass(frozen=True)
class Preview:
    """A plan, what it takes, and whether that fits the graphics card that was asked for, if one was."""

    plan: Plan
    forecast: Forecast
    fits: bool | None


def preview_plans(
    recipe: Finetune, folder: Path, memory_bytes: int | None, processes: int = 1
) -> list[Preview]:
    """All plans for a graphics card with so much memory free, or without asking for one, the fastest first.

    Where several `processes` learn together, each has such a card.

    Only the base's configs must be in `folder`. A card is assumed that computes in bf16 and has all packages.
    Captured steps are among them where learning would try them.
    """
    precision = "bf16" if recipe.precision == "auto" else recipe.precision
    first = Plan(device="cuda", precision=precision, threads=1, offload="encoders")
    check_kind(find_kind(read_layout(folder).family), recipe)
    _check_shards(recipe, processes)
    check_fused(recipe, precision, processes)
    is_large = not is_small(folder)
    captures = not _why_uncaptured(first, recipe, folder, is_large, 1)
    machine = Machine(memory_bytes or 0, frozenset(MODULES), False, processes, captures)
    forecast = Forecaster(folder, recipe, processes)
    found: list[Preview] = []
    for plan in list_plans(first, recipe, machine):
        if plan.captured and not _is_asked(plan, recipe, is_large):
            continue
        said = forecast(plan)
        if plan.readers == "device" or said.peak < found[-1].forecast.peak:  # else it only takes longer
            found.append(Preview(plan, said, None if memory_bytes is None else said.peak <= machine.budget))
    return found


def find_free_bytes() -> int | None:
    """What is free on this machine's graphics card, None without one."""
    return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else None


def find_machine(device: str, folder: Path) -> Machine:
    """What a plan for the base in `folder` depends on, of a graphics card."""
    free, _ = torch.cuda.mem_get_info(device)
    return Machine(free, find_usable(device), has_compiler(folder), count_launched())


def refuse_all(small: TooSmall, machine: Machine, recipe: Finetune, folder: Path, first: Plan) -> UserError:
    """What the user is told where nothing fits; of smaller pictures the most frugal plan is asked."""
    frugal = list_plans(first, recipe, machine)[-1]

    def peak_at(side: int) -> int:
        smaller = recipe.model_copy(update={"resolution_px": side})
        return Forecaster(folder, smaller, machine.processes)(frugal).peak

    own = recipe.resolution_px or open_hollow(folder, frugal).size_px
    return refuse(small, machine, recipe, own, peak_at, _unclipped(machine, recipe, folder, first))


def _unclipped(machine: Machine, recipe: Finetune, folder: Path, first: Plan) -> list[str]:
    """What is left where only clipping keeps all gradients, if it fits; it changes what is learned."""
    loose = recipe.model_copy(update={"max_gradient_norm": 0.0})
    frugal = list_plans(first, loose, machine)[-1]
    if not frugal.fused_backward or not recipe.max_gradient_norm:
        return []
    peak = Forecaster(folder, loose, machine.processes)(frugal).peak
    if peak > machine.budget:
        return []
    return [f"take --max-gradient-norm 0, so that gradients can be freed at once ({peak / GIB:.1f} GiB)"]


def _check_shards(recipe: Finetune, processes: int) -> None:
    """Raise `UserError` where the denoiser shall be shared and there is nobody to share it with."""
    if recipe.offload == "shards" and processes == 1:
        raise UserError(
            "offload shards shares the denoiser between several processes: start them with accelerate launch "
            "--multi_gpu --num_processes 2 (understudy plan: --processes 2), or take --offload blocks."
        )


@dataclass
class _Trials:
    """Measures plans by their dry steps; none that is compiled once compiling has lost gradients, none that
    is captured once that has failed."""

    folder: Path
    recipe: Finetune
    notify: Notify
    loses: bool = False
    fails: bool = False

    def __call__(self, plan: Plan) -> int | None:
        if (plan.compiled and self.loses) or (plan.captured and self.fails):
            return None
        try:
            return _measure(self.folder, self.recipe, plan)
        except LostGradients as lost:
            self.loses = True
            what = f"{lost.count} of {lost.total} matrices get hardly any gradient"
            self.notify(Note(f"Compiled, {what}: learning is not compiled."))
            return None
        except NotCaptured as failed:
            self.fails = True
            self.notify(Note(f"A step could not be captured as a CUDA graph ({failed}): learning without."))
            return None


def _measure(folder: Path, recipe: Finetune, plan: Plan) -> int | None:
    with following(plan):
        return measure_peak(folder, recipe, plan)
