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
    pull: Callable[[], Tensor] | None = None,
) -> None:
    """Train `weights`, which are a part of the base's denoiser, from where the run is to the recipe's steps.

    `pull`, if there is one, is added to every step's loss.
    A run that was killed and went on ends in the same weights, on a CPU bit for bit. Raises `Cancelled` when
    the listener does, after saving.
    """
    decks = make_decks(examples, recipe)
    tuning = _Tuning(base, examples, recipe, decks, _begin(weights, recipe), write_weights, pull)
    learn_steps(tuning, recipe, run, review, notify)


@dataclass(frozen=True)
class _Tuning:
    """The learner: one Adam on a part of the base."""

    base: Sd1Base
    examples: Examples
    recipe: Finetune
    decks: Decks
    training: Training
    write_weights: WriteWeights
    pull: Callable[[], Tensor] | None

    def step(self, number: int) -> dict[str, Tensor]:
        optimizer = self.training.optimizer
        for group in optimizer.param_groups:
            group["lr"] = rate_at(self.recipe, number)
        figures = self._add_gradients(number)
        nn.utils.clip_grad_norm_(self.training.weights.values(), MAX_GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad()
        self.training.update_average(self.recipe.averaging, number + 1)
        return figures

    def _add_gradients(self, number: int) -> dict[str, Tensor]:
        """Of the batches of a step and of the pull; returns their losses."""
        num_batches = self.recipe.accumulation
        losses = []
        for batch in range(number * num_batches, (number + 1) * num_batches):
            loss = step_loss(self.base, self.examples, self.decks.deal(batch), self.recipe, batch)
            torch.autograd.backward(loss / num_batches)
            losses.append(loss.detach())
        figures = {"loss": torch.stack(losses).mean()}
        if self.pull is not None:
            pulled = self.pull()
            torch.autograd.backward(pulled)
            figures["pull_loss"] = pulled.detach()
        return figures

    def tensors(self) -> dict[str, Tensor]:
        return self.training.tensors()

    def restore(self, saved: Mapping[str, Tensor], step: int) -> None:
        self.training.restore(saved, step)

    def write(self, folder: Path) -> None:
        self.write_weights(self.training.average, folder)


def rate_at(recipe: Finetune, step: int) -> float:
    """The learning rate of a step, counted from 0; it depends on no later step, so that going on is exact."""
    warmth = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    rest = 0.5 ** (step / recipe.rate_half_life) if recipe.rate_half_life else 1.0
    return recipe.learning_rate * warmth * rest


def step_loss(base: Sd1Base, examples: Examples, rows: list[int], recipe: Finetune, step: int) -> Tensor:
    """The weighted loss of the examples in `rows`, with the randomness of (seed, step)."""
    device = examples.mean.device
    random = keyed(recipe.seed, "step", step)
    shape = (len(rows), *examples.mean.shape[1:])
    # On the CPU, so that every device gets the same numbers.
    sampling = torch.randn(shape, generator=random).to(device)
    noise = torch.randn(shape, generator=random).to(device)
    times = base.objective.sample_times(len(rows), random)
    times = _lean(times, base.objective.num_times, recipe.noise_lean, examples.is_prior[rows]).to(device)
    is_captioned = (torch.rand(len(rows), generator=random) >= recipe.caption_dropout).to(device)

    row = torch.tensor(rows, device=device)
    clean = examples.mean[row] + examples.std[row] * sampling
    seen = base.objective.corrupt(clean, noise, times)
    prompts = examples.prompts[examples.prompt[row] * is_captioned]
    answer = base.predict(seen.noisy, times, prompts)
    error = (answer - seen.target).square() * examples.mask[row]
    return (error.mean(dim=(1, 2, 3)) * seen.weight * examples.weight[row]).mean()


def _lean(times_B: Tensor, num_times: int, lean: float, is_prior_B: Tensor) -> Tensor:
    """Times t as T (t/T)^lean; class pictures keep theirs, because they hold what overfits at high noise."""
    if lean == 1:
        return times_B
    leaned = num_times * (times_B.double() / num_times) ** lean
    return torch.where(is_prior_B, times_B, leaned.to(times_B.dtype))


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
