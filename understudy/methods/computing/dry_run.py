"""A step of learning on torch's meta device, whose tensors have shapes and no numbers: what it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from understudy.bases.base import DTYPES, Base
from understudy.bases.catalog import read_layout
from understudy.bases.compiling import find_repeated
from understudy.bases.hollow import META, open_hollow, shape_prompts
from understudy.bases.opening import find_kind
from understudy.methods.attached import is_beside
from understudy.methods.class_pictures import batch_of
from understudy.methods.computing.alive import Alive, Autocast, flash_attention
from understudy.methods.computing.checkpointing import checkpoint_blocks
from understudy.methods.computing.dry_step import learning, make_question, make_reading, run_dry
from understudy.methods.computing.fused_backward import freeing_gradients
from understudy.methods.computing.kept import count_spared
from understudy.methods.conditioning import readers_in_steps
from understudy.methods.encoding import ENCODE_BATCH
from understudy.methods.questions import Question, find_loss
from understudy.methods.whole_weights import open_to_learn
from understudy.recipes import Adapting, DreamBooth, Finetune
from understudy.runs import Plan


@dataclass(frozen=True)
class Seen:
    """What a dry run saw, in bytes, whatever else the plan says.

    `linear` are the numbers of weights of linear layers, `blocks` the sizes of what can compute again.
    """

    denoiser: int
    element: int
    linear: tuple[int, ...]
    blocks: tuple[int, ...]
    step: int
    learned: int
    encoding: int
    drawing: int


def dry_run(folder: Path, recipe: Finetune, plan: Plan) -> Seen:
    """A step by `recipe` on the base in `folder`, computed as `plan` says, and what comes before it."""
    base = _open(folder, recipe, plan)
    own, denoiser_bytes = list(base.denoiser.parameters()), _bytes_of(base.denoiser)
    readers = [base.part(part) for part in readers_in_steps(type(base), recipe)]
    frozen = [tensor for reader in readers for tensor in (*reader.parameters(), *reader.buffers())]
    linear = [layer.weight.numel() for layer in base.denoiser.modules() if isinstance(layer, nn.Linear)]
    latents, encoding = _encode(base)
    drawing = _draw(base, folder, latents, plan) if recipe.has_prior else 0
    computing = _Computing(_find_autocast(recipe, plan))
    checkpoint_blocks(base.denoiser, plan.checkpointing, computing.run)
    with flash_attention(), learning(base, recipe) as learned:
        prompts = shape_prompts(folder, recipe.batch, DTYPES[plan.precision])
        noisy = latents.new_empty(recipe.batch, *latents.shape[1:])
        question = make_question(base, noisy, prompts, bool(readers))
        reading = make_reading(base, folder, recipe, prompts)
        freeing = freeing_gradients(learned.values()) if plan.fused_backward else nullcontext()
        with freeing, Alive([*own, *frozen, *learned.values()]) as alive:
            computing.run(lambda: run_dry(base, question, reading=reading))
        spared = _count_spared(base, plan, computing, question)
    return Seen(
        denoiser=denoiser_bytes,
        element=own[0].element_size(),
        linear=tuple(linear),
        blocks=tuple(sorted(map(_bytes_of, computing.blocks))),
        step=alive.peak - spared,
        learned=_count_learned(learned, recipe),
        encoding=encoding,
        drawing=drawing,
    )


def _count_spared(base: Base, plan: Plan, computing: _Computing, question: Question) -> int:
    """Of the blocks that do not compute again, where they are compiled and nothing else is to be imitated."""
    share = {"none": 1.0, "segments": 0.5, "whole": 0.0}[plan.checkpointing]
    if not (plan.compiled and share) or computing.autocast is not None:
        return 0
    untyped: Any = base.denoiser
    untyped.disable_gradient_checkpointing()
    kinds = find_repeated(type(base.denoiser))
    return int(share * count_spared(base.denoiser, kinds, lambda: find_loss(base, question)))


class _Computing:
    """Calls blocks as a graphics card's step does, and remembers them."""

    def __init__(self, autocast: Autocast | None) -> None:
        self.autocast = autocast
        self.blocks: dict[nn.Module, None] = {}

    def run(self, block: Any, *arguments: Any) -> Any:
        if isinstance(block, nn.Module):
            self.blocks[block] = None
        if self.autocast is None:
            return block(*arguments)
        with self.autocast:
            return block(*arguments)


def _open(folder: Path, recipe: Finetune, plan: Plan) -> Base:
    readers = readers_in_steps(find_kind(read_layout(folder).family), recipe)
    return open_to_learn(recipe, plan, lambda how: open_hollow(folder, how, recipe.resolution_px, readers))


def _find_autocast(recipe: Finetune, plan: Plan) -> Autocast | None:
    """What the step computes in where the denoiser does not compute in its own precision."""
    if plan.precision == "fp32" or (isinstance(recipe, Adapting) and is_beside(recipe)):
        return None
    return Autocast(DTYPES[plan.precision])


def _encode(base: Base) -> tuple[Tensor, int]:
    """The latents of as many pictures as are encoded at once, and the bytes that this takes."""
    pixels = torch.empty(ENCODE_BATCH, 3, base.size_px, base.size_px, device=META)
    with flash_attention(), Alive(base.pipe.vae.parameters()) as alive:
        latents = base.encode_image(pixels).mean
    return latents, alive.peak


@torch.no_grad()
def _draw(base: Base, folder: Path, latents: Tensor, plan: Plan) -> int:
    """The bytes that a batch of class pictures takes: guided denoising, or taking them out of their latents.

    Encoding, which is the decoder's mirror, stands for the latter: it takes a little less.
    """
    count = batch_of(plan)
    asked = 2 * count
    dtype = next(base.denoiser.parameters()).dtype
    noisy = torch.empty(asked, *latents.shape[1:], dtype=dtype, device=META)
    question = make_question(base, noisy, shape_prompts(folder, asked, dtype), False)
    own = (*base.denoiser.parameters(), *base.pipe.vae.parameters())
    with flash_attention(), Alive(own) as denoising:
        base.predict(question.noisy, question.times, question.prompts)
    at_once = 1 if plan.offload != "none" else count
    with flash_attention(), Alive(own) as decoding:
        base.encode_image(torch.empty(at_once, 3, base.size_px, base.size_px, device=META))
    peaks: tuple[int, int] = (denoising.peak, decoding.peak)
    return max(peaks)


def _count_learned(learned: Mapping[str, nn.Parameter], recipe: Finetune) -> int:
    """What learns, its running average and Adam's moments; the gradients are the step's."""
    own: float = 0 if isinstance(recipe, DreamBooth) else 1  # the denoiser's weights are counted as such
    moments = 2 if recipe.optimizer == "adam" else 0.5
    copies = own + (1 if recipe.averaging else 0) + moments
    return int(copies * sum(weight.nbytes for weight in learned.values()))


def _bytes_of(network: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
