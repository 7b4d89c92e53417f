"""The autoencoder's decoder learns the drawings: what their latents leave out, it adds.

A small autoencoder mixes the hues of a character that it never saw, and loses its stripes and rings, whatever
the denoiser has learned (docs/log.md). The latents stay what they are, so that nothing else learns anew.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
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
from understudy.domain import Character, UserError
from understudy.drawings.prepare import View
from understudy.events import Cancelled, Notify, Step
from understudy.methods.another_base import OnAnotherBase
from understudy.methods.computing.planning import is_small
from understudy.methods.examples import UNREADABLE, Decks, Examples, keyed, list_views, make_decks
from understudy.methods.loop import MAX_LOST_S, Training
from understudy.methods.picture_loss import reconstruction_loss
from understudy.recipes import Adapting
from understudy.runs import Run, write_whole

DECODER_FILE = "decoder.safetensors"
"""In the run's folder: the decoder as `AutoencoderKL` names it, in fp32."""
STATE_FILE = "decoder_state.safetensors"
"""There too, while it learns."""
OF_DECODER = ("decoder.", "post_quant_conv.")

BATCH = 2
CLASS_SHARE = 0.25
"""Of the pictures, where there are class pictures: places and props stay what they are."""
FIGURE_WEIGHT = 3.0
"""Of the figure's pixels in the loss, where paper has 1."""
MOST_NOISE = 0.25
"""Of a latent's deviation: a decoder that has seen disturbed latents forgives a denoiser's small errors."""
RATE, WARMUP_STEPS, LAST_SHARE = 1e-3, 20, 0.02
"""Adam's rate, and the share of it that is left at the end of half a cosine."""


def learn_decoder(
    base: Base, character: Character, examples: Examples, recipe: Adapting, run: Run, notify: Notify
) -> None:
    """Let the decoder learn the run's examples for the recipe's `decoder_steps`, and keep it with the run.

    The base stays what it was. What is there already is not learned again; a run that was killed goes on, on
    a CPU to the same bits. Nothing is done where the base is large, or of another layout.
    """
    taught = type(base).teaches_decoder and is_small(find_base(recipe.base))
    if not (taught and recipe.decoder_steps) or (run.folder / DECODER_FILE).exists():
        return
    views = list_views(base, character, recipe, run, notify)
    weights, own = _decoder_of(base), base.pipe.vae.dtype
    as_it_was = {name: weight.detach().clone() for name, weight in weights.items()}
    _compute_in(base, torch.float32)  # what is trained is in fp32, whatever draws
    try:
        learner = _begin(base, weights, examples, views, recipe)
        _learn(learner, recipe.decoder_steps, run.folder / STATE_FILE, notify)
        learned = {name: weight.detach().contiguous() for name, weight in weights.items()}
        write_whole(run.folder / DECODER_FILE, safetensors.torch.save(learned))
    finally:
        for weight in weights.values():
            weight.requires_grad_(False)
        _compute_in(base, own)
        base.pipe.vae.load_state_dict(as_it_was, strict=False)
    (run.folder / STATE_FILE).unlink(missing_ok=True)


def load_decoder(base: Base, run: Run) -> Mapping[str, str]:
    """Put the decoder that a run learned, if it did, into its base; returns what pictures say of it.

    Raises `UserError` where it cannot be read.
    """
    path = run.folder / DECODER_FILE
    if isinstance(run, OnAnotherBase) or not path.exists():
        return {}
    content = path.read_bytes()
    try:
        saved = safetensors.torch.load(content)
        if saved.keys() != _decoder_of(base).keys():
            raise ValueError("other tensors")
        base.pipe.vae.load_state_dict(saved, strict=False)
    except (*UNREADABLE, RuntimeError) as error:
        raise UserError(
            f"{path} is damaged: bring it back, or learn the character again in a new run folder."
        ) from error
    return {"decoder_sha256": hashlib.sha256(content).hexdigest()}


@dataclass(frozen=True)
class _Learner:
    """Adam on the decoder; randomness of a step is that of (seed, step)."""

    vae: Any
    examples: Examples
    targets: Tensor
    weights: Tensor
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
        loss = reconstruction_loss(output.float(), self.targets[rows].to(clean), self.weights[rows].to(clean))
        optimizer = self.training.optimizer
        optimizer.param_groups[0]["lr"] = _rate_at(number, self.num_steps)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _rate_at(step: int, num_steps: int) -> float:
    fallen = LAST_SHARE + (1 - LAST_SHARE) * 0.5 * (1 + math.cos(math.pi * step / num_steps))
    return RATE * min(1.0, (step + 1) / WARMUP_STEPS) * fallen


def _begin(
    base: Base,
    weights: Mapping[str, nn.Parameter],
    examples: Examples,
    views: Sequence[View],
    recipe: Adapting,
) -> _Learner:
    for weight in weights.values():
        weight.requires_grad_(True)
    share = CLASS_SHARE if recipe.has_prior else 0.0
    figures = torch.from_numpy(np.stack([view.mask for view in views]))[:, None] > 0
    return _Learner(
        vae=base.pipe.vae,
        examples=examples,
        targets=torch.from_numpy(np.stack([view.pixels for view in views])).permute(0, 3, 1, 2) / 127.5 - 1,
        weights=1 + (FIGURE_WEIGHT - 1) * figures.float(),
        decks=replace(make_decks(examples, recipe), batch=BATCH, prior_share=share),
        training=Training(
            weights, {}, torch.optim.AdamW(weights.values(), RATE, weight_decay=0.0, fused=True)
        ),
        num_steps=recipe.decoder_steps,
    )


def _decoder_of(base: Base) -> dict[str, nn.Parameter]:
    named = base.pipe.vae.named_parameters()
    return {name: weight for name, weight in named if name.startswith(OF_DECODER)}


def _compute_in(base: Base, dtype: torch.dtype) -> None:
    for part in (base.pipe.vae.decoder, base.pipe.vae.post_quant_conv):
        part.to(dtype)


def _learn(learner: _Learner, num_steps: int, state: Path, notify: Notify) -> None:
    """From where the file `state` is, or from the beginning; raises `Cancelled` after saving."""
    start = _restore(learner.training, state)
    saved_at = time.monotonic()
    notify(Step("decoder", start, num_steps))
    for number in range(start, num_steps):
        learner.step(number)
        done = number + 1
        if time.monotonic() - saved_at > MAX_LOST_S:
            _save(learner.training, done, state)
            saved_at = time.monotonic()
        try:
            notify(Step("decoder", done, num_steps))
        except Cancelled:
            _save(learner.training, done, state)
            raise


def _save(training: Training, step: int, path: Path) -> None:
    whole = {name: tensor.contiguous() for name, tensor in training.tensors().items()}
    write_whole(path, safetensors.torch.save(whole, {"step": str(step)}))


def _restore(training: Training, path: Path) -> int:
    """The step that was saved, 0 where nothing readable was."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            step = int(file.metadata()["step"])
        training.restore(safetensors.torch.load_file(path), step)
    except (*UNREADABLE, KeyError, TypeError):
        return 0
    return step
