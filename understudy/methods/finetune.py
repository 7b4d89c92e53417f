"""The one training loop for pretrained bases: resident examples, exact going on, nothing lost but seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from understudy.bases.sd1 import Sd1Base
from understudy.events import Cancelled, Notify, Step
from understudy.methods.examples import Examples, keyed, make_decks
from understudy.methods.reviewing import Review, Snapshot, Stop
from understudy.recipes import Finetune
from understudy.runs import STATE_FILE, Checkpoint, Run

LOG_EVERY = 10
MAX_LOST_S = 10.0
"""How much work a kill may cost at most."""
MAX_GRADIENT_NORM = 1.0

WriteWeights = Callable[[Mapping[str, Tensor], Path], None]
"""Writes trained tensors, by name, into a checkpoint's folder in the form that drawing needs."""


@dataclass(frozen=True)
class Training:
    """All that a step changes: fp32 weights, their running average and Adam's moments, by name."""

    weights: Mapping[str, nn.Parameter]
    average: Mapping[str, Tensor]
    optimizer: torch.optim.AdamW

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, to be saved; Adam's step count is the checkpoint's."""
        tensors = {}
        for name, weight in self.weights.items():
            moments = self.optimizer.state[weight]
            tensors[f"weights.{name}"] = weight.detach()
            tensors[f"average.{name}"] = self.average[name]
            tensors[f"adam_mean.{name}"] = moments["exp_avg"]
            tensors[f"adam_square.{name}"] = moments["exp_avg_sq"]
        return tensors

    def restore(self, path: Path, step: int) -> None:
        """Set the state to what was saved after `step`."""
        saved = safetensors.torch.load_file(path)
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(saved[f"weights.{name}"])
                self.average[name].copy_(saved[f"average.{name}"])
                self.optimizer.state[weight] = {
                    "step": torch.tensor(float(step), device=weight.device),
                    "exp_avg": saved[f"adam_mean.{name}"].to(weight),
                    "exp_avg_sq": saved[f"adam_square.{name}"].to(weight),
                }


def make_up_review(run: Run, recipe: Finetune, review: Review) -> None:
    """Review the newest snapshot, if a kill came between its saving and its review."""
    newest = run.newest_state()
    is_due = newest is not None and newest.keep and run.manifest.stopped_at is None
    if newest and is_due and {"step": newest.step, "reviewed": True} not in run.read_log():
        run.rewind(newest.step)
        _review(run, newest, recipe, review)


def _review(run: Run, checkpoint: Checkpoint, recipe: Finetune, review: Review) -> bool:
    """Show a snapshot to the reviewer, and record that; whether it is enough."""
    is_enough = isinstance(review(Snapshot(run, checkpoint, recipe.steps)), Stop)
    if is_enough:
        run.stop(checkpoint.step)
    run.log({"step": checkpoint.step, "reviewed": True})
    return is_enough


def is_finished(run: Run, recipe: Finetune) -> bool:
    """Whether nothing is left to learn."""
    newest = run.newest_state()
    return newest is not None and (run.manifest.stopped_at == newest.step or newest.step >= recipe.steps)


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

    The random numbers of a step come from the seed and the step alone, so a run that was killed and went on
    ends in the same weights, on a CPU bit for bit. Raises `Cancelled` when the listener does, after saving.
    """
    # Set up.
    decks = make_decks(examples, recipe)
    training = _begin(weights, recipe)
    parameters, averages = list[Tensor](weights.values()), list(training.average.values())

    def save(step: int, keep: bool) -> Checkpoint:
        def write(folder: Path) -> None:
            write_weights(training.average, folder)
            safetensors.torch.save_file(training.tensors(), folder / STATE_FILE)

        return run.save(step, write, keep)

    # Go on from where an earlier call came to.
    newest = run.newest_state()
    start = newest.step if newest else 0
    if newest:
        training.restore(newest.folder / STATE_FILE, newest.step)
    run.rewind(start)

    figures: tuple[tuple[str, float], ...] = ()
    loss_sum = torch.zeros((), device=examples.mean.device)
    num_summed = 0
    saved_at = time.monotonic()
    notify(Step("learning", start, recipe.steps))

    for step in range(start, recipe.steps):
        step_began = time.monotonic()

        # One step of Adam.
        for group in training.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * min(1.0, (step + 1) / max(1, recipe.warmup_steps))
        loss = step_loss(base, examples, decks.deal(step), recipe, step)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT_NORM)
        training.optimizer.step()
        training.optimizer.zero_grad()

        # The running average, which forgets its beginning faster than its end.
        done = step + 1
        decay = min(recipe.averaging, done / (done + 9))
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 1 - decay)

        # What the log and the listener get; the only place that waits for the device.
        loss_sum += loss.detach()
        num_summed += 1
        if done % LOG_EVERY == 0:
            mean_loss = loss_sum.item() / num_summed
            figures = (("loss", mean_loss),)
            run.log({"step": done, "loss": mean_loss})
            loss_sum.zero_()
            num_summed = 0

        # Nothing older than MAX_LOST_S is ever unsaved, not even if the next step is as slow as this one.
        keep = done % recipe.snapshot_every == 0 or done == recipe.steps
        now = time.monotonic()
        if keep or now - saved_at + (now - step_began) > MAX_LOST_S:
            checkpoint = save(done, keep)
            saved_at = time.monotonic()
        try:
            notify(Step("learning", done, recipe.steps, figures))
            if keep and _review(run, checkpoint, recipe, review):
                return
        except Cancelled:
            save(done, keep)
            raise


def step_loss(base: Sd1Base, examples: Examples, rows: list[int], recipe: Finetune, step: int) -> Tensor:
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
    prompts = examples.prompts[examples.prompt[row] * is_captioned]
    answer = base.predict(seen.noisy, times, prompts)
    error = (answer - seen.target).square() * examples.mask[row]
    return (error.mean(dim=(1, 2, 3)) * seen.weight * examples.weight[row]).mean()


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
