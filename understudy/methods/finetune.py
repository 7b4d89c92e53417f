"""Training a part of a pretrained base on resident examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from understudy.bases.sd1 import Sd1Base
from understudy.events import Notify
from understudy.methods.examples import Decks, Examples, keyed, make_decks
from understudy.methods.loop import Training, learn_steps
from understudy.methods.reviewing import Review
from understudy.recipes import Finetune
from understudy.runs import Run

MAX_GRADIENT_NORM = 1.0

WriteWeights = Callable[[Mapping[str, Tensor], Path], None]
"""Writes trained tensors, by name, into a checkpoint's folder in the form that drawing needs."""


def finetune(
    base: Sd1Base,
    weights: Mapping[str, nn.Parameter],
    examples: Examples,
    recipe: Finetune,
    run: Run,
    write_weights: WriteWeights,
    review: Review,
    notify: Notify,
) -> None:
    """Train `weights`, which are a part of the base's denoiser, from where the run is to the recipe's steps.

    A run that was killed and went on ends in the same weights, on a CPU bit for bit. Raises `Cancelled` when
    the listener does, after saving.
    """
    tuning = begin_tuning(base, weights, examples, recipe, write_weights)
    learn_steps(tuning, recipe, run, review, notify)


@dataclass(frozen=True)
class Question:
    """What the denoiser is asked in a step, B examples at once, and what it should answer.

    weight (B, 1, H, W): how much an error counts at each place.
    """

    noisy: Tensor
    times: Tensor
    prompts: Tensor
    target: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Tuning:
    """The learner: one Adam on a part of the base."""

    base: Sd1Base
    examples: Examples
    recipe: Finetune
    decks: Decks
    training: Training
    write_weights: WriteWeights

    def step(self, number: int) -> dict[str, Tensor]:
        loss = step_loss(self.base, self.examples, self.decks.deal(number), self.recipe, number)
        torch.autograd.backward(loss)
        self.apply_gradients(number)
        return {"loss": loss.detach()}

    def ask(self, number: int) -> Question:
        """What the denoiser is asked in the step `number`."""
        return ask(self.base, self.examples, self.decks.deal(number), self.recipe, number)

    def apply_gradients(self, number: int) -> None:
        """Move the weights by the gradients that the step `number` left on them."""
        optimizer = self.training.optimizer
        warmth = min(1.0, (number + 1) / max(1, self.recipe.warmup_steps))
        for group in optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * warmth
        nn.utils.clip_grad_norm_(self.training.weights.values(), MAX_GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad()
        self.training.update_average(self.recipe.averaging, number + 1)

    def tensors(self) -> dict[str, Tensor]:
        return self.training.tensors()

    def restore(self, saved: Mapping[str, Tensor], step: int) -> None:
        self.training.restore(saved, step)

    def write(self, folder: Path) -> None:
        self.write_weights(self.training.average, folder)


def begin_tuning(
    base: Sd1Base,
    weights: Mapping[str, nn.Parameter],
    examples: Examples,
    recipe: Finetune,
    write_weights: WriteWeights,
) -> Tuning:
    """The learner of `weights` before its first step."""
    decks = make_decks(examples, recipe)
    return Tuning(base, examples, recipe, decks, _begin(weights, recipe), write_weights)


def step_loss(base: Sd1Base, examples: Examples, rows: list[int], recipe: Finetune, step: int) -> Tensor:
    """The weighted loss of the examples in `rows`, with the randomness of (seed, step)."""
    question = ask(base, examples, rows, recipe, step)
    return weigh(base.predict(question.noisy, question.times, question.prompts), question)


def ask(base: Sd1Base, examples: Examples, rows: list[int], recipe: Finetune, step: int) -> Question:
    """What the denoiser is asked about the examples in `rows`, with the randomness of (seed, step)."""
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
    prompts = examples.prompts[examples.prompt[row] * is_captioned]
    counts = (seen.weight * examples.weight[row]).reshape(-1, 1, 1, 1)
    return Question(seen.noisy, times, prompts, seen.target, examples.mask[row] * counts)


def weigh(answer: Tensor, question: Question) -> Tensor:
    """The weighted loss of the denoiser's answer, one number for all examples."""
    return ((answer - question.target).square() * question.weight).mean()


def _begin(weights: Mapping[str, nn.Parameter], recipe: Finetune) -> Training:
    optimizer = torch.optim.AdamW(
        list(weights.values()),
        lr=recipe.learning_rate,
        betas=(0.9, recipe.adam_beta2),
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    average = {name: weight.detach().clone() for name, weight in weights.items()}
    return Training(weights, average, optimizer)
