"""What a step of learning takes of the device's memory, before anything is loaded.

The step itself is made on torch's meta device, where tensors have shapes and no numbers, and what is alive at
once is counted; so it holds for every family, size, rank and adapter. Beside tensors a graphics card needs
room for its libraries, for what kernels put aside, and for gaps: `plans.RESERVE` leaves some.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from understudy.bases.base import DTYPES, Base
from understudy.bases.catalog import read_layout
from understudy.bases.compiling import find_repeated
from understudy.bases.fetching.needed_files import is_of, variant_of
from understudy.bases.fetching.safetensors_header import read_header
from understudy.bases.hollow import META, make_part, open_hollow, shape_prompts
from understudy.bases.opening import find_kind
from understudy.bases.placing import AUTOENCODER
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
from understudy.recipes import LEAVES, Adapting, DreamBooth, Finetune
from understudy.runs import Plan

BYTES_PER_WEIGHT = {"int8": 1.0, "nf4": 0.5 + 4 / 64}
"""Of a quantised linear layer; nf4 keeps a size in fp32 for each 64 weights."""
BLOCKS_AT_ONCE = 3
"""Of those that leave the device: one computes, one comes, one is still kept for the backward pass."""
GATHERED_AT_ONCE = 4
"""Of those that processes share: one computes, one comes, and each is there twice while it comes."""


@dataclass(frozen=True)
class Forecast:
    """Bytes on the device.

    Of a step: `weights` that do not learn or are the denoiser's own, `learned` (an adapter, the running
    average and Adam's moments) and `step` (gradients and all that a step makes). Before it: `reading`
    drawings and prompts, and `drawing` class pictures, 0 without any.
    """

    weights: int
    learned: int
    step: int
    reading: int
    drawing: int

    @property
    def peak(self) -> int:
        """The most that is there at once."""
        return max(self.weights + self.learned + self.step, self.reading, self.drawing)


@dataclass(frozen=True)
class _Seen:
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


class Forecaster:
    """Forecasts of one recipe on the base in a folder, of which each dry run is made once."""

    def __init__(self, folder: Path, recipe: Finetune, processes: int = 1) -> None:
        # Of a batch that does not part evenly the first has most.
        share = recipe.model_copy(update={"batch": ceil(recipe.batch / processes)})
        self._folder, self._recipe, self._processes = folder, share, processes
        self._seen: dict[tuple[str, bool, str, bool, bool], _Seen] = {}

    def __call__(self, plan: Plan) -> Forecast:
        """The bytes that learning takes if it computes as `plan` says."""
        blocks = (plan.checkpointing, plan.compiled, plan.fused_backward)
        key = (plan.precision, plan.offload == "none", *blocks)
        if key not in self._seen:
            self._seen[key] = _dry_run(self._folder, self._recipe, plan)
        seen, leaves = self._seen[key], plan.offload != "none"
        weights = _count_weights(seen, plan, self._processes)
        size = seen.element
        vae = size * count_weights(self._folder, AUTOENCODER)
        words = sum(size * count_weights(self._folder, part) for part in word_readers(self._folder))
        kind = find_kind(read_layout(self._folder).family)
        in_steps = readers_in_steps(kind, self._recipe)
        needed = sum(size * count_weights(self._folder, part) for part in in_steps)
        dequantised = max(seen.linear) * seen.element if plan.quantization != "none" else 0
        # bitsandbytes puts weights on the card as it loads them.
        beside = weights if not leaves or plan.quantizer == "bitsandbytes" else 0
        on_device = words if plan.readers == "device" else 0
        reading = vae + (max(seen.encoding, on_device) if leaves else words + seen.encoding)
        by_layers = kind.draws_by_layers(plan)
        drawn = seen.denoiser if plan.offload in LEAVES and not by_layers else weights
        together = max(drawn, words + beside) if leaves else weights + vae + words
        return Forecast(
            weights=weights + (needed if leaves else vae + words),
            learned=seen.learned,
            step=seen.step + dequantised,
            reading=reading + beside,
            drawing=seen.drawing + together if seen.drawing else 0,
        )


def _dry_run(folder: Path, recipe: Finetune, plan: Plan) -> _Seen:
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
    return _Seen(
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


def _count_weights(seen: _Seen, plan: Plan, processes: int) -> int:
    """Of the denoiser, as they lie on the device while it learns."""
    if plan.quantization != "none":
        linear = sum(seen.linear)
        return seen.denoiser - linear * seen.element + int(linear * BYTES_PER_WEIGHT[plan.quantization])
    if plan.offload == "blocks":
        return seen.denoiser - sum(seen.blocks) + sum(seen.blocks[-BLOCKS_AT_ONCE:])
    if plan.offload == "shards":
        parts = sum(seen.blocks) // processes
        return seen.denoiser - sum(seen.blocks) + parts + sum(seen.blocks[-GATHERED_AT_ONCE:])
    return seen.denoiser


def _count_learned(learned: Mapping[str, nn.Parameter], recipe: Finetune) -> int:
    """What learns, its running average and Adam's moments; the gradients are the step's."""
    own: float = 0 if isinstance(recipe, DreamBooth) else 1  # the denoiser's weights are counted as such
    moments = 2 if recipe.optimizer == "adam" else 0.5
    copies = own + (1 if recipe.averaging else 0) + moments
    return int(copies * sum(weight.nbytes for weight in learned.values()))


def _bytes_of(network: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))


def word_readers(folder: Path) -> list[str]:
    """The parts that read the prompts."""
    layout = read_layout(folder)
    parts = (part for part in (*layout.weighted, *layout.optional) if part.startswith("text_encoder"))
    return [part for part in parts if (folder / part).is_dir()]


def count_weights(folder: Path, part: str) -> int:
    """How many weights a part of a base has, as its files' headers say, or, without files, its config."""
    variant = variant_of(folder)
    files = [path for path in (folder / part).glob("*.safetensors") if is_of(path.name, variant)]
    if files:
        return sum(prod(entry.shape) for path in files for entry in read_header(path).values())
    with torch.device(META):
        network = make_part(folder, part)
    return sum(weight.numel() for weight in network.parameters())
