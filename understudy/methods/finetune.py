"""Training a part of a pretrained base on resident examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from understudy.bases.sd1 import Sd1Base
from understudy.events import Notify
from understudy.methods.conditioning import Condition
from understudy.methods.examples import Decks, Examples, keyed, make_decks
from understudy.methods.loop import Training, learn_steps
from understudy.methods.optimizers import make_optimizer
from understudy.methods.reviewing import Review
from understudy.recipes import Finetune
from understudy.runs import Run

MAX_GRADIENT_NORM = 1.0

WriteWeights = Callable[[Mapping[str, Tensor], Path], None]
"""Writes trained tensors, by name, into a checkpoint's folder in the form that drawing needs."""


@dataclass(frozen=True)
class Part:
    """Weights by name that learn at one rate, in the first `steps` steps or, where this is None, in all."""

    weights: Mapping[str, nn.Parameter]
    learning_rate: float
    steps: int | None = None


def finetune(
    base: Sd1Base,
    parts: Sequence[Part],
    examples: Examples,
    condition: Condition,
    recipe: Finetune,
    run: Run,
    write_weights: WriteWeights,
    review: Review,
    notify: Notify,
) -> None:
    """Train `parts` of the base from where the run is to the recipe's steps.

    `condition` must read in the step where one of them reads the words. A run that was killed and went on
    ends in the same weights, on a CPU bit for bit. Raises `Cancelled` when the listener does, after saving.
    """
    decks = make_decks(examples, recipe)
    training = _begin(parts, recipe)
    tuning = _Tuning(base, parts, examples, condition, recipe, decks, training, write_weights)
    learn_steps(tuning, recipe, run, review, notify)


@dataclass(frozen=True)
class _Tuning:
    """The learner: one Adam on parts of the base."""

    base: Sd1Base
    parts: Sequence[Part]
    examples: Examples
    condition: Condition
    recipe: Finetune
    decks: Decks
    training: Training
    write_weights: WriteWeights

    def step(self, number: int) -> dict[str, Tensor]:
        optimizer = self.training.optimizer
        warmth = min(1.0, (number + 1) / max(1, self.recipe.warmup_steps))
        for part, group in zip(self.parts, optimizer.param_groups, strict=True):
            group["lr"] = part.learning_rate * warmth
            if part.steps is not None:
                # What has learned enough takes no part in backward, nor in the norm of the gradients.
                for weight in part.weights.values():
                    weight.requires_grad_(number < part.steps)
        rows = self.decks.deal(number)
        loss = step_loss(self.base, self.examples, self.condition, rows, self.recipe, number)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.training.weights.values(), MAX_GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad()
        if self.training.average:
            self.training.update_average(self.recipe.averaging, number + 1)
        return {"loss": loss.detach()}

    def tensors(self) -> dict[str, Tensor]:
        return self.training.tensors()

    def restore(self, saved: Mapping[str, Tensor], step: int) -> None:
        self.training.restore(saved, step)

    def write(self, folder: Path) -> None:
        weights = {name: weight.detach() for name, weight in self.training.weights.items()}
        self.write_weights(self.training.average or weights, folder)


def step_loss(
    base: Sd1Base, examples: Examples, condition: Condition, rows: list[int], recipe: Finetune, step: int
) -> Tensor:
    """The weighted loss of the examples in `rows`, with the randomness of (seed, step)."""
    device = examples.mean.device
    random = keyed(recipe.seed, "step", step)
    shape = (len(rows), *examples.mean.shape[1:])
    # On the CPU, so that every device gets the same numbers.
    sampling = torch.randn(shape, generator=random).to(device)
    noise = torch.randn(shape, generator=random).to(device)
    times = base.objective.sample_times(len(rows), random).to(device)
    is_captioned = (torch.rand(len(rows), generator=random) >= recipe.caption_dropout).to(device)

    row = torch.tensor(rows, device=device)
    clean = examples.mean[row] + examples.std[row] * sampling
    seen = base.objective.corrupt(clean, noise, times)
    answer = base.predict(seen.noisy, times, condition(examples.prompt[row] * is_captioned))
    error = (answer - seen.target).square() * examples.mask[row]
    return (error.mean(dim=(1, 2, 3)) * seen.weight * examples.weight[row]).mean()


def _begin(parts: Sequence[Part], recipe: Finetune) -> Training:
    weights = {name: weight for part in parts for name, weight in part.weights.items()}
    groups = [{"params": list(part.weights.values()), "lr": part.learning_rate} for part in parts]
    # Without averaging no second copy: of a whole denoiser it is large.
    average = {name: weight.detach().clone() for name, weight in weights.items()} if recipe.averaging else {}
    return Training(weights, average, make_optimizer(groups, recipe))
