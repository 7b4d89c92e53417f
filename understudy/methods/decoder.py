"""The autoencoder's decoder learns the drawings: what their latents leave out, it adds.

A small autoencoder mixes the hues of a character that it never saw, and loses its stripes and rings, whatever
the denoiser has learned (docs/log.md). The latents stay what they are, so that nothing else learns anew.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from understudy.bases.base import Base
from understudy.bases.catalog import find_base
from understudy.bases.unets import decode_latents
from understudy.domain import Character
from understudy.drawings.prepare import View
from understudy.events import Cancelled, Notify, Step
from understudy.methods.examples import UNREADABLE, Decks, Examples, keyed, list_views, make_decks
from understudy.methods.learned_decoder import count_decoder_steps, find_decoder, keep_decoder, read_steps
from understudy.methods.loop import MAX_LOST_S, Training
from understudy.methods.picture_loss import reconstruction_loss
from understudy.recipes import Finetune
from understudy.runs import Run, write_whole

UNFINISHED_FILE = "decoder_state.safetensors"
"""In the run's folder while it learns: what going on needs."""

BATCH = 2
CLASS_SHARE = 0.2
"""Of the pictures, where there are class pictures: places and props stay what they are."""
FIGURE_WEIGHT = 3.0
"""Of the figure's pixels in the loss, where paper has 1."""
MOST_NOISE = 0.5
"""Of a latent's deviation: a decoder that has seen disturbed latents forgives a denoiser's small errors."""
RATE, WARMUP_STEPS, LAST_SHARE = 3e-3, 20, 0.02
"""Adam's rate, and the share of it that is left at the end of half a cosine."""


def learn_decoder(
    base: Base, character: Character, examples: Examples, recipe: Finetune, run: Run, notify: Notify
) -> None:
    """Let the decoder learn the run's examples for the recipe's `decoder_steps`, and keep it with the run.

    The base stays what it was. A run that was killed goes on, on a CPU to the same bits. A decoder that is
    there is not learned again, unless the run is asked for more steps than before: as its rate falls to the
    last of them, it is learned anew from the base's, and the run ends as if all had been asked for at once.
    Until then the one before stays. Nothing is done where the base is large, or of another layout.
    """
    num_steps = count_decoder_steps(base, recipe, find_base(recipe.base))
    if not (run.keeps and num_steps):
        return
    unfinished = run.folder / UNFINISHED_FILE
    if read_steps(run) != num_steps:
        views = list_views(base, character, recipe, run, notify)
        with _learning(base) as weights:
            _learn(_begin(base, weights, examples, views, recipe), unfinished, notify)
            keep_decoder(base, num_steps, run)
    unfinished.unlink(missing_ok=True)


@contextmanager
def _learning(base: Base) -> Iterator[dict[str, nn.Parameter]]:
    """Within, the decoder's weights can learn, in fp32 whatever draws; afterwards they are what they were."""
    weights, own = find_decoder(base), base.pipe.vae.dtype
    as_it_was = {name: weight.detach().clone() for name, weight in weights.items()}
    _compute_in(base, torch.float32)
    try:
        for weight in weights.values():
            weight.requires_grad_(True)
        yield weights
    finally:
        for weight in weights.values():
            weight.requires_grad_(False)
            weight.grad = None
        _compute_in(base, own)
        base.pipe.vae.load_state_dict(as_it_was, strict=False)


@dataclass(frozen=True)
class _Learner:
    """Adam on the decoder; randomness of a step is that of (seed, step).

    On the CPU are `pixels` (N, 3, H, W), 0 to 255, and `figures` (N, 1, H, W), where they show the figure.
    """

    vae: Any
    examples: Examples
    pixels: Tensor
    figures: Tensor
    decks: Decks
    training: Training
    num_steps: int

    def step(self, number: int) -> None:
        """Make the step `number`, counted from 0."""
        random = keyed(self.decks.seed, "decoder", number)
        rows = torch.tensor(self.decks.deal(number))
        clean = self.examples.mean[rows]
        noise = torch.randn(clean.shape, generator=random).to(clean)
        strength = MOST_NOISE * torch.rand(len(rows), 1, 1, 1, generator=random).square().to(clean)
        output = decode_latents(self.vae, clean + strength * clean.std() * noise)
        target = self.pixels[rows].to(clean) / 127.5 - 1
        loss = reconstruction_loss(output.float(), target, weigh_figures(self.figures[rows].to(clean)))
        optimizer = self.training.optimizer
        optimizer.param_groups[0]["lr"] = _rate_at(number, self.num_steps)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def weigh_figures(figures: Tensor) -> Tensor:
    """The weight of each pixel in the loss, of masks (B, 1, H, W) of 0 and 1: the same mean for each picture.

    So a class picture, which is all figure, counts no more than a drawing on its paper.
    """
    weight = 1 + (FIGURE_WEIGHT - 1) * figures
    return weight / weight.mean((1, 2, 3), keepdim=True)


def _rate_at(step: int, num_steps: int) -> float:
    fallen = LAST_SHARE + (1 - LAST_SHARE) * 0.5 * (1 + math.cos(math.pi * step / num_steps))
    return RATE * min(1.0, (step + 1) / WARMUP_STEPS) * fallen


def _begin(
    base: Base,
    weights: Mapping[str, nn.Parameter],
    examples: Examples,
    views: Sequence[View],
    recipe: Finetune,
) -> _Learner:
    share = CLASS_SHARE if recipe.has_prior else 0.0
    return _Learner(
        vae=base.pipe.vae,
        examples=examples,
        pixels=torch.from_numpy(np.stack([view.pixels for view in views])).permute(0, 3, 1, 2),
        figures=torch.from_numpy(np.stack([view.mask for view in views]))[:, None] > 0,
        decks=replace(make_decks(examples, recipe), batch=BATCH, prior_share=share),
        training=Training(
            weights, {}, torch.optim.AdamW(weights.values(), RATE, weight_decay=0.0, fused=True)
        ),
        num_steps=recipe.decoder_steps,
    )


def _compute_in(base: Base, dtype: torch.dtype) -> None:
    for part in (base.pipe.vae.decoder, base.pipe.vae.post_quant_conv):
        part.to(dtype)


def _learn(learner: _Learner, state: Path, notify: Notify) -> None:
    """From where the file `state` is, or from the beginning; raises `Cancelled` after saving."""
    num_steps = learner.num_steps
    start = _restore(learner, state)
    saved_at = time.monotonic()
    notify(Step("decoder", start, num_steps))
    for number in range(start, num_steps):
        learner.step(number)
        done = number + 1
        if time.monotonic() - saved_at > MAX_LOST_S:
            _save(learner, done, state)
            saved_at = time.monotonic()
        try:
            notify(Step("decoder", done, num_steps))
        except Cancelled:
            _save(learner, done, state)
            raise


def _save(learner: _Learner, step: int, path: Path) -> None:
    whole = {name: tensor.contiguous() for name, tensor in learner.training.tensors().items()}
    write_whole(path, safetensors.torch.save(whole, {"step": str(step), "of": str(learner.num_steps)}))


def _restore(learner: _Learner, path: Path) -> int:
    """The step that was saved, 0 where nothing readable was, or on the way to another number of steps."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            said = file.metadata()
        step = int(said["step"])
        if int(said["of"]) != learner.num_steps:
            return 0
        learner.training.restore(safetensors.torch.load_file(path), step)
    except (*UNREADABLE, KeyError, TypeError):
        return 0
    return step
