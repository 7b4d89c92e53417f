"""Which plan a run takes: of those that fit the machine the fastest, in the order in which they are tried.

    1. the base whole in its precision, its repeated blocks compiled where that pays
    2. where a whole denoiser learns and nothing asks for all its gradients, the same with each freed at once
       (a fused backward pass), as all that follow then are
    3. every other block computed again (checkpointing segments), then every block (whole)
    4. where several processes learn, its blocks shared between them (offload shards), with the same three
    5. the denoiser in int8, with the same three
    6. in nf4, with the same three
    7. its blocks beside the device, fetched when they compute (offload blocks, checkpointing whole)

each with the prompts read on the device or, where that alone does not fit, on the CPU: once, in minutes; and
before it the same with its step captured as a CUDA graph, where that is asked for and possible.

Each is first forecast, and what cannot fit is passed over; of the rest the first is taken whose dry step
fits; of shared blocks none is taken, since one process alone cannot. Nothing here needs a graphics card: what
forecasts and what measures are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from understudy.bases.choosing.machine import RESERVE
from understudy.bases.quantizing import CAN, Quantizer
from understudy.domain import UserError
from understudy.methods.computing.forecast import Forecast
from understudy.methods.computing.fused_backward import can_fuse
from understudy.methods.computing.graphs import why_not
from understudy.methods.conditioning import learns_word, trains_readers
from understudy.recipes import (
    LEAVES,
    Adapting,
    Checkpointing,
    Computing,
    DreamBooth,
    Finetune,
    LearnsWord,
    Offload,
    Quantization,
)
from understudy.runs import Plan

GIB = 2**30
COMPILED_STEPS = 200
"""From so many on a step's compiled blocks pay for the minute that compiling them takes."""

Forecasting = Callable[[Plan], Forecast]
Measuring = Callable[[Plan], int | None]
"""The bytes that a dry step takes; None where it did not fit, or did not run."""


@dataclass(frozen=True)
class Machine:
    """What a plan depends on: bytes that are free on the device, what can be used on it, how many processes
    learn together, each with a device like this one, and whether the base's step can be captured on it."""

    free_bytes: int
    quantizers: frozenset[Quantizer]
    compiles: bool
    processes: int = 1
    captures: bool = False

    @property
    def budget(self) -> int:
        """Bytes that a plan may take."""
        return int(self.free_bytes * (1 - RESERVE))


@dataclass(frozen=True)
class Choice:
    """A plan and the bytes that it takes at its peak, as forecast and, where it was, as measured."""

    plan: Plan
    forecast_bytes: int | None = None
    measured_bytes: int | None = None


class TooSmall(Exception):
    """No plan fits; `least` bytes are taken by the smallest."""

    def __init__(self, least: int) -> None:
        super().__init__(least)
        self.least = least


def list_plans(first: Plan, recipe: Finetune, machine: Machine) -> list[Plan]:
    """The plans that the recipe's knobs leave, the fastest first; `first` says device, precision and threads.

    What is neither asked for nor possible here is left out; what is asked for was checked before.
    """
    found = []
    for quantization, offload in _kept(first, recipe, machine.processes):
        quantizer = next((one for one in CAN[quantization] if one in machine.quantizers), None)
        if quantization != "none" and quantizer is None:
            continue
        is_fused = _fusings(first, recipe, machine.processes)
        for checkpointing, fused in _frugal(_checkpointings(recipe, offload, quantizer), is_fused):
            plan = first.model_copy(
                update={
                    "quantization": quantization,
                    "quantizer": quantizer,
                    "checkpointing": checkpointing,
                    "offload": offload,
                    "fused_backward": fused,
                }
            )
            is_plain = quantization == "none" and offload not in LEAVES
            if is_plain and machine.compiles and recipe.steps >= COMPILED_STEPS:
                found.append(plan.model_copy(update={"compiled": True}))
            found.append(plan)
    if machine.captures:
        found = [one for plan in found for one in (*_captured(plan, recipe), plan)]
    reads_in_steps = learns_word(recipe) or trains_readers(recipe)
    if first.offload == "none" or recipe.offload == "none" or reads_in_steps:
        return found
    return [one for plan in found for one in (plan, plan.model_copy(update={"readers": "cpu"}))]


def _captured(plan: Plan, recipe: Finetune) -> list[Plan]:
    return [] if why_not(plan, recipe) else [plan.model_copy(update={"captured": True})]


def _kept(first: Plan, recipe: Computing, processes: int) -> Iterator[tuple[Quantization, Offload]]:
    """How the weights are kept and where: as asked for, or in the order of the list above."""
    asked = recipe.quantization if isinstance(recipe, LearnsWord) else "none"
    if asked == "auto" and isinstance(recipe, Adapting) and recipe.pull:
        asked = "none"  # the pull reads weights as they are
    quantizations = get_args(Quantization) if asked == "auto" else (asked,)
    offload = first.offload if recipe.offload == "auto" else recipe.offload
    can_leave = isinstance(recipe, LearnsWord) and "none" in quantizations
    for one in quantizations:
        if offload not in LEAVES:
            yield one, offload
        if one == "none" and can_leave and processes > 1 and recipe.offload in ("auto", "shards"):
            yield one, "shards"
    if can_leave and recipe.offload in ("auto", "blocks") and recipe.checkpointing in ("auto", "whole"):
        yield "none", "blocks"


def _checkpointings(
    recipe: Computing, offload: Offload, quantizer: Quantizer | None
) -> tuple[Checkpointing, ...]:
    if recipe.checkpointing != "auto":
        return (recipe.checkpointing,)
    # What torchao unpacks is kept until the backward pass, unless it is computed again.
    is_whole = offload == "blocks" or quantizer == "torchao"
    return ("whole",) if is_whole else get_args(Checkpointing)


def _fusings(first: Plan, recipe: Finetune, processes: int) -> tuple[bool, ...]:
    """Whether gradients are freed at once: first what keeps them, unless it is asked for."""
    if not can_fuse(recipe, first.precision, processes):
        return (False,)
    return (True,) if isinstance(recipe, DreamBooth) and recipe.fused_backward == "yes" else (False, True)


def _frugal(
    checkpointings: Sequence[Checkpointing], fusings: Sequence[bool]
) -> Iterator[tuple[Checkpointing, bool]]:
    """The first with both, the others with the more frugal alone, since that costs less time than they do."""
    yield from ((checkpointings[0], fused) for fused in fusings)
    yield from ((one, fusings[-1]) for one in checkpointings[1:])


def pick(plans: Sequence[Plan], machine: Machine, forecast: Forecasting, measure: Measuring) -> Choice:
    """The first plan that fits; raises `TooSmall` where none does."""
    least: int | None = None
    for plan in plans:
        said = forecast(plan).peak
        least = said if least is None else min(least, said)
        if said > machine.budget:
            continue
        if plan.offload == "shards":
            return Choice(plan, said)
        found = measure(plan)
        if found is not None and found <= machine.free_bytes:
            return Choice(plan, said, found)
    raise TooSmall(least or 0)


def refuse(
    small: TooSmall,
    machine: Machine,
    recipe: Computing,
    own_px: int,
    peak_at: Callable[[int], int],
    others: Sequence[str] = (),
) -> UserError:
    """What the user is told where nothing fits, and what would.

    `peak_at` is the peak at a side in pixels; `others` are ways that the base and the recipe alone leave.
    """
    ways = []
    for name in ("checkpointing", "quantization", "offload", "fused_backward"):
        if recipe.model_dump().get(name, "auto") not in ("auto", "yes"):
            ways.append(f"leave out --{name.replace('_', '-')}")
    if isinstance(recipe, LearnsWord) and not machine.quantizers and recipe.quantization == "auto":
        ways.append("pip install 'understudy[8bit]', which allows a quantised base")
    ways += others
    for side in (3 * own_px // 4, own_px // 2):
        cell = side // 64 * 64
        if cell and (peak := peak_at(cell)) <= machine.budget:
            ways.append(f"take --resolution-px {cell} ({peak / GIB:.1f} GiB)")
            break
    ways.append("take a smaller base (see understudy bases)")
    return UserError(
        f"Learning on this base takes at least {small.least / GIB:.1f} GiB of the graphics card's memory, of "
        f"which {machine.budget / GIB:.1f} can be used: {', or '.join(ways)}."
    )


def describe(choice: Choice, machine: Machine | None) -> str:
    """One sentence for the user: how the run computes, and the share of the memory that it takes."""
    plan = choice.plan
    taken = choice.measured_bytes or choice.forecast_bytes
    room = "" if taken is None else f", {taken / GIB:.1f} GiB"
    if room and machine is not None:
        room += f" of the {machine.free_bytes / GIB:.1f} that are free"
    return f"Learning on {plan.device} in {say(plan)}{room}."


def say(plan: Plan) -> str:
    """How a plan computes, in a few words."""
    said: list[str] = [plan.precision]
    if plan.quantization != "none":
        said.append(f"the base in {plan.quantization} by {plan.quantizer}")
    if plan.checkpointing != "none":
        said.append(f"checkpointing {plan.checkpointing}")
    if plan.offload == "shards":
        said.append("blocks shared between the processes")
    if plan.offload == "blocks":
        said.append("blocks fetched when they compute")
    if plan.readers == "cpu":
        said.append("prompts read on the CPU")
    if plan.fused_backward:
        said.append("gradients freed at once")
    if plan.compiled:
        said.append("compiled")
    if plan.captured:
        said.append("its step captured as a CUDA graph")
    return ", ".join(said)
