"""The one training loop: exact going on, nothing lost but seconds; what a step does is the learner's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import safetensors.torch
import torch
from torch import Tensor, nn

from understudy.events import Cancelled, Notify, Step
from understudy.methods.disk_space import refuse_full_disk
from understudy.methods.optimizers import MOMENTS, read_moments, write_moments
from understudy.methods.reviewing import Review, Snapshot, Stop
from understudy.recipes import Learning
from understudy.runs import STATE_FILE, Checkpoint, Run

LOG_EVERY = 10
MAX_LOST_S = 10.0
"""How much work a kill may cost at most, where saving takes no more than a tenth of that."""


class Kept(Protocol):
    """What a run keeps of something that learns."""

    def tensors(self) -> dict[str, Tensor]:
        """All that a step changes."""
        ...

    def restore(self, saved: Mapping[str, Tensor], step: int) -> None:
        """Set all of it to what `tensors` gave after `step` steps."""
        ...

    def write(self, folder: Path) -> None:
        """Write into a checkpoint's folder what drawing needs."""
        ...


class Learner(Kept, Protocol):
    """What learns: one network or several that learn from each other.

    The random numbers of a step must come from the seed and the step alone, so that a run that was killed and
    went on ends in the same weights, on a CPU bit for bit.
    """

    def step(self, number: int) -> Mapping[str, Tensor]:
        """Make the step `number`, counted from 0; returns figures for the log, left on the device."""
        ...


@dataclass(frozen=True)
class Member:
    """One of those that learn at once, in steps of their own, and the run that keeps it."""

    kept: Kept
    run: Run


@dataclass(frozen=True)
class Training:
    """All that a step changes of one network, by name: fp32 weights, their running average, Adam's moments.

    `average` is empty where none is kept; `buffers` are what the network itself keeps, as of its batches.
    """

    weights: Mapping[str, nn.Parameter]
    average: Mapping[str, Tensor]
    optimizer: torch.optim.Optimizer
    buffers: Mapping[str, Tensor] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, to be saved; Adam's step count is the checkpoint's."""
        tensors = {f"average.{name}": tensor for name, tensor in self.average.items()}
        tensors |= {f"buffers.{name}": tensor for name, tensor in self.buffers.items()}
        for name, weight in self.weights.items():
            tensors[f"weights.{name}"] = weight.detach()
            moments = read_moments(self.optimizer, weight)
            tensors |= {f"{kind}.{name}": moment for kind, moment in moments.items()}
        return tensors

    @torch.no_grad()
    def restore(self, saved: Mapping[str, Tensor], step: int) -> None:
        """Set the state to what was saved after `step`."""
        for name, tensor in self.average.items():
            tensor.copy_(saved[f"average.{name}"])
        for name, tensor in self.buffers.items():
            tensor.copy_(saved[f"buffers.{name}"])
        for name, weight in self.weights.items():
            weight.copy_(saved[f"weights.{name}"])
            moments = {kind: saved[f"{kind}.{name}"] for kind in MOMENTS if f"{kind}.{name}" in saved}
            write_moments(self.optimizer, weight, moments, step)

    @torch.no_grad()
    def update_average(self, decay: float, done: int) -> None:
        """Move the running average towards the weights; it forgets its beginning faster than its end."""
        weights = [self.weights[name].detach() for name in self.average]
        torch._foreach_lerp_(list(self.average.values()), weights, 1 - min(decay, done / (done + 9)))


def is_finished(run: Run, recipe: Learning) -> bool:
    """Whether nothing is left to learn."""
    newest = run.newest_state()
    return newest is not None and (run.manifest.stopped_at == newest.step or newest.step >= recipe.steps)


def make_up_review(run: Run, recipe: Learning, review: Review) -> None:
    """Review the newest snapshot, if a kill came between its saving and its review."""
    newest = run.newest_state()
    is_due = newest is not None and newest.keep and run.manifest.stopped_at is None
    if newest and is_due and {"step": newest.step, "reviewed": True} not in run.read_log():
        run.rewind(newest.step)
        _review(run, newest, recipe, review)


def has_learned(run: Run, recipe: Learning, review: Review, notify: Notify) -> bool:
    """Make up a review that a kill left out; whether nothing is left to learn, which is told."""
    make_up_review(run, recipe, review)
    finished = is_finished(run, recipe)
    if finished:
        notify(Step("learning", recipe.steps, recipe.steps))
    return finished


def learn_steps(learner: Learner, recipe: Learning, run: Run, review: Review, notify: Notify) -> bool:
    """Let `learner` learn from where the run is to the recipe's steps, or until the reviewer says stop.

    Returns whether the reviewer did. Raises `Cancelled` when the listener does, after saving.
    """
    return learn_at_once([Member(learner, run)], lambda step: [learner.step(step)], recipe, review, notify)


def learn_at_once(
    members: Sequence[Member],
    make_step: Callable[[int], Sequence[Mapping[str, Tensor]]],
    recipe: Learning,
    review: Review,
    notify: Notify,
) -> bool:
    """Let `make_step` make all members' steps, with a log, checkpoints and reviews for each run.

    It returns the figures of each. They go on from the newest checkpoint that all have, to the recipe's steps
    or until the reviewer says stop of all; returns whether that was it. Raises `Cancelled` when the listener
    does, after saving.
    """

    def save(step: int, keep: bool) -> list[Checkpoint]:
        return [_save(member, step, keep) for member in members]

    # Go on from where an earlier call came to.
    start = common_step([member.run for member in members])
    for member in members:
        _restore(member, start)
    refuse_full_disk([(member.run, _sizes(member)) for member in members], recipe, start)

    averages: list[dict[str, float]] = []
    summed = [_Sums() for _ in members]
    saved_at, saving_s = time.monotonic(), 0.0
    notify(Step("learning", start, recipe.steps))

    for step in range(start, recipe.steps):
        step_began = time.monotonic()
        for sums, figures in zip(summed, make_step(step), strict=True):
            sums.add(figures)
        done = step + 1

        # What the log and the listener get; the only place that waits for the device.
        if done % LOG_EVERY == 0:
            averages = [sums.take_means() for sums in summed]
            for member, means in zip(members, averages, strict=True):
                member.run.log({"step": done, **means})

        # Nothing older than MAX_LOST_S is ever unsaved, not even if the next step is as slow as this one;
        # but where saving is slow, learning still gets most of the time.
        keep = done % recipe.snapshot_every == 0 or done == recipe.steps
        now = time.monotonic()
        if keep or now - saved_at + (now - step_began) > max(MAX_LOST_S, 10 * saving_s):
            checkpoints = save(done, keep)
            saved_at = time.monotonic()
            saving_s = saved_at - now
        try:
            notify(Step("learning", done, recipe.steps, _mean_of(averages)))
            if keep and _review_all(members, checkpoints, recipe, review):
                return True
        except Cancelled:
            save(done, keep)
            raise
    return False


def common_step(runs: Sequence[Run]) -> int:
    """The newest step from which all of the runs can go on; 0 where there is none."""
    saved = [{one.step: one for one in run.checkpoints()} for run in runs]
    # From the newest on, so that no older one is read.
    for step in sorted(set.intersection(*map(set, saved)), reverse=True):
        if all(one[step].is_whole(*one[step].sha256) for one in saved):
            return step
    return 0


def _sizes(member: Member) -> dict[str, int]:
    return {name: tensor.nbytes for name, tensor in member.kept.tensors().items()}


def _save(member: Member, step: int, keep: bool) -> Checkpoint:
    def write(folder: Path) -> None:
        member.kept.write(folder)
        safetensors.torch.save_file(member.kept.tensors(), folder / STATE_FILE)

    return member.run.save(step, write, keep)


def _restore(member: Member, step: int) -> None:
    """Set a member to its checkpoint of `step`, which is whole, and forget what its run saved after that."""
    for checkpoint in member.run.checkpoints():
        if checkpoint.step == step:
            member.kept.restore(safetensors.torch.load_file(checkpoint.folder / STATE_FILE), step)
    member.run.rewind(step)


@dataclass
class _Sums:
    """Figures since the last line of the log, summed on the device."""

    total: dict[str, Tensor] = field(default_factory=dict)
    num: int = 0

    def add(self, figures: Mapping[str, Tensor]) -> None:
        for name, figure in figures.items():
            self.total[name] = self.total[name] + figure if name in self.total else figure
        self.num += 1

    def take_means(self) -> dict[str, float]:
        means = {name: total.item() / self.num for name, total in self.total.items()}
        self.total, self.num = {}, 0
        return means


def _mean_of(averages: Sequence[Mapping[str, float]]) -> tuple[tuple[str, float], ...]:
    """The members' figures as one, for a listener who hears of all steps once."""
    if not averages:
        return ()
    return tuple((name, sum(one[name] for one in averages) / len(averages)) for name in averages[0])


def _review_all(
    members: Sequence[Member], checkpoints: Sequence[Checkpoint], recipe: Learning, review: Review
) -> bool:
    """Whether it is enough of all; every one is reviewed."""
    both = zip(members, checkpoints, strict=True)
    return min([_review(member.run, checkpoint, recipe, review) for member, checkpoint in both])


def _review(run: Run, checkpoint: Checkpoint, recipe: Learning, review: Review) -> bool:
    """Show a snapshot to the reviewer, and record that; whether it is enough."""
    is_enough = isinstance(review(Snapshot(run, checkpoint, recipe.steps)), Stop)
    if is_enough:
        run.stop(checkpoint.step)
    run.log({"step": checkpoint.step, "reviewed": True})
    return is_enough
