"""Training a part of a pretrained base on resident examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from understudy.bases.base import Base
from understudy.bases.conditioning import MASK
from understudy.events import Notify
from understudy.methods.computing.fused_backward import stepping_in_backward
from understudy.methods.computing.graphs import CapturedLoss, capturing
from understudy.methods.computing.loss_scale import LossScale
from understudy.methods.computing.processes import ALONE, Processes, find_processes
from understudy.methods.conditioning import Condition
from understudy.methods.examples import Decks, Examples, keyed, make_decks
from understudy.methods.loop import Member, Training, learn_at_once
from understudy.methods.optimizers import make_optimizer
from understudy.methods.questions import Question, find_loss
from understudy.methods.reviewing import Review
from understudy.recipes import Finetune
from understudy.runs import Run

WriteWeights = Callable[[Mapping[str, Tensor], Path], None]
"""Writes trained tensors, by name, into a checkpoint's folder in the form that drawing needs."""


@dataclass(frozen=True)
class Part:
    """Weights by name that learn at one rate, in the first `steps` steps or, where this is None, in all."""

    weights: Mapping[str, nn.Parameter]
    learning_rate: float
    steps: int | None = None


def finetune(
    base: Base,
    parts: Sequence[Part],
    examples: Examples,
    condition: Condition,
    recipe: Finetune,
    run: Run,
    write_weights: WriteWeights,
    review: Review,
    notify: Notify,
    pull: Callable[[], Tensor] | None = None,
) -> None:
    """Train `parts` of the base from where the run is to the recipe's steps.

    `condition` must read in the step where one of them reads the words; `pull` is added to the loss of every
    step. A run that was killed and went on ends in the same weights, on a CPU bit for bit. Raises `Cancelled`
    when the listener does, after saving.
    """
    processes = find_processes()
    tuning = begin_tuning(base, parts, examples, condition, recipe, write_weights, pull, processes)
    learned = list(tuning.training.weights.values())
    tuning = replace(tuning, captured=capturing(base, learned, _asked_mask(examples, recipe), notify))
    processes.tell(True)
    made = 0

    def make_step(number: int) -> list[Mapping[str, Tensor]]:
        nonlocal made
        figures = tuning.step(number)
        made = number + 1
        return [figures]

    optimizer, is_fused = tuning.training.optimizer, base.plan.fused_backward
    try:
        with stepping_in_backward(optimizer, recipe) if is_fused else nullcontext():
            learn_at_once([Member(tuning, run)], make_step, recipe, review, notify)
    finally:
        if made < recipe.steps:  # after the last step the others are gone
            tuning.release()


@dataclass(frozen=True)
class Tuning:
    """The learner: one Adam on parts of the base."""

    base: Base
    parts: Sequence[Part]
    examples: Examples
    condition: Condition
    recipe: Finetune
    decks: Decks
    training: Training
    write_weights: WriteWeights
    pull: Callable[[], Tensor] | None
    scale: LossScale
    processes: Processes = ALONE
    captured: CapturedLoss | None = None

    def step(self, number: int) -> dict[str, Tensor]:
        if self._is_shared:
            self.processes.meet(self.base.plan.device)
        for part in self.parts:
            if part.steps is not None:
                # What has learned enough takes no part in backward, nor in the norm of the gradients.
                for weight in part.weights.values():
                    weight.requires_grad_(number < part.steps)
        self.set_rates(number)
        figures = self.processes.add_up(self._trained, self._add_gradients(number))
        self.apply_gradients(number)
        return figures

    def release(self) -> None:
        """Tell the processes that follow this one, if it is the first, that no more steps come."""
        if self._is_shared and self.processes.is_first:
            self.processes.meet(self.base.plan.device, is_over=True)
        else:
            self.processes.release(self._trained, 1 if self.pull is None else 2)

    @property
    def _is_shared(self) -> bool:
        return self.base.plan.offload == "shards"

    @property
    def _trained(self) -> list[nn.Parameter]:
        return list(self.training.weights.values())

    def ask(self, batch: int) -> Question:
        """What the denoiser is asked in a batch; each step has as many as the recipe accumulates."""
        return ask(self.base, self.examples, self.condition, self.decks.deal(batch), self.recipe, batch)

    def set_rates(self, number: int) -> None:
        """Set the learning rates of the step `number`, before a fused backward pass may move weights."""
        for part, group in zip(self.parts, self.training.optimizer.param_groups, strict=True):
            group["lr"] = part.learning_rate * _share_of_rate(self.recipe, number)

    def apply_gradients(self, number: int) -> None:
        """Move the weights by the gradients that the step `number` left on them, after `set_rates`."""
        optimizer = self.training.optimizer
        self.scale.step(optimizer, self._trained, self.recipe.max_gradient_norm)
        optimizer.zero_grad()
        if self.training.average:
            self.training.update_average(self.recipe.averaging, number + 1)

    def _add_gradients(self, number: int) -> dict[str, Tensor]:
        """Of the batches of a step and of the pull; returns their losses."""
        num_batches = self.recipe.accumulation
        losses = []
        for batch in batches(number, self.recipe):
            question = self.ask(batch)
            mine = question.take(self.processes.rows(len(question.times)))
            loss = find_loss(self.base, mine) if self.captured is None else self.captured(mine)
            loss = loss * (len(mine.times) / len(question.times))
            torch.autograd.backward(self.scale.enlarge(loss / num_batches))
            losses.append(loss.detach())
        figures = {"loss": torch.stack(losses).mean()}
        if self.pull is not None:
            # Of the weights alone, which all processes have: each adds its part of it.
            pulled = self.pull() / self.processes.count
            torch.autograd.backward(self.scale.enlarge(pulled))
            figures["pull_loss"] = pulled.detach()
        return figures

    def tensors(self) -> dict[str, Tensor]:
        return self.training.tensors() | self.scale.tensors(self.training.optimizer)

    def restore(self, saved: Mapping[str, Tensor], step: int) -> None:
        self.training.restore(saved, self.scale.restore(saved, step))

    def write(self, folder: Path) -> None:
        weights = {name: weight.detach() for name, weight in self.training.weights.items()}
        self.write_weights(self.training.average or weights, folder)


def begin_tuning(
    base: Base,
    parts: Sequence[Part],
    examples: Examples,
    condition: Condition,
    recipe: Finetune,
    write_weights: WriteWeights,
    pull: Callable[[], Tensor] | None = None,
    processes: Processes = ALONE,
) -> Tuning:
    """The learner of `parts` before its first step; see `finetune`."""
    return Tuning(
        base,
        parts,
        examples,
        condition,
        recipe,
        make_decks(examples, recipe),
        _begin(parts, recipe),
        write_weights,
        pull,
        LossScale(base.plan.device, base.plan.precision),
        processes,
    )


def _share_of_rate(recipe: Finetune, step: int) -> float:
    """Of the learning rate at a step, counted from 0; of no later step, so that going on is exact."""
    warmth = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    return warmth * (0.5 ** (step / recipe.rate_half_life) if recipe.rate_half_life else 1.0)


def batches(step: int, recipe: Finetune) -> range:
    """The numbers of the batches whose gradients make a step, counted from 0 over all steps."""
    return range(step * recipe.accumulation, (step + 1) * recipe.accumulation)


def ask(
    base: Base, examples: Examples, condition: Condition, rows: list[int], recipe: Finetune, step: int
) -> Question:
    """What the denoiser is asked about the examples in `rows`, with the randomness of (seed, step)."""
    device = examples.mean.device
    random = keyed(recipe.seed, "step", step)
    shape = (len(rows), *examples.mean.shape[1:])
    # On the CPU, so that every device gets the same numbers; who sends them does not wait for the device.
    sampling = torch.randn(shape, generator=random).to(device, non_blocking=True)
    noise = torch.randn(shape, generator=random).to(device, non_blocking=True)
    times = base.objective.sample_times(len(rows), random)
    times = _lean(times, base.objective.num_times, recipe.noise_lean, examples.is_prior[rows])
    times = times.to(device, non_blocking=True)
    is_captioned = torch.rand(len(rows), generator=random) >= recipe.caption_dropout

    row = torch.tensor(rows).to(device, non_blocking=True)
    clean = examples.mean[row] + examples.std[row] * sampling
    seen = base.objective.corrupt(clean, noise, times)
    prompts = condition(examples.prompt[rows] * is_captioned)
    counts = (seen.weight * examples.weight[row]).reshape(-1, 1, 1, 1)
    return Question(seen.noisy, times, prompts, seen.target, examples.mask[row] * counts)


def _asked_mask(examples: Examples, recipe: Finetune) -> Tensor | None:
    """How long the prompts are that steps ask about; None where all are as long as the family reads."""
    mask = examples.prompts.tensors.get(MASK)
    rows = {*examples.prompt.tolist(), *([0] if recipe.caption_dropout else [])}
    return None if mask is None else mask[sorted(rows)]


def _lean(times_B: Tensor, num_times: int, lean: float, is_prior_B: Tensor) -> Tensor:
    """Times t as T (t/T)^lean; class pictures keep theirs, because they hold what overfits at high noise."""
    if lean == 1:
        return times_B
    leaned = num_times * (times_B.double() / num_times) ** lean
    return torch.where(is_prior_B, times_B, leaned.to(times_B.dtype))


def _begin(parts: Sequence[Part], recipe: Finetune) -> Training:
    weights = {name: weight for part in parts for name, weight in part.weights.items()}
    groups = [{"params": list(part.weights.values()), "lr": part.learning_rate} for part in parts]
    # Without averaging no second copy: of a whole denoiser it is large.
    average = {name: weight.detach().clone() for name, weight in weights.items()} if recipe.averaging else {}
    return Training(weights, average, make_optimizer(groups, recipe))
