"""What a step of learning takes of the device's memory, before anything is loaded.

The step itself is made on torch's meta device, where tensors have shapes and no numbers, and what is alive at
once is counted; so it holds for every family, size, rank and adapter. Beside tensors a graphics card needs
room for its libraries, for what kernels put aside, and for gaps: `planning` leaves some.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from understudy.bases.base import DTYPES, Base
from understudy.bases.catalog import read_layout
from understudy.bases.hollow import META, open_hollow, shape_prompts
from understudy.methods.alive import Alive, Autocast, flash_attention
from understudy.methods.attached import is_beside
from understudy.methods.checkpointing import checkpoint_blocks
from understudy.methods.dry_step import learning, make_question, run_dry
from understudy.methods.examples import ENCODE_BATCH
from understudy.recipes import Adapting, DreamBooth, Finetune, LearnsWord
from understudy.runs import Plan

BYTES_PER_WEIGHT = {"int8": 1.0, "nf4": 0.5 + 4 / 64}
"""Of a quantised linear layer; nf4 keeps a size in fp32 for each 64 weights."""
BLOCKS_AT_ONCE = 3
"""Of those that leave the device: one computes, one comes, one is still kept for the backward pass."""


@dataclass(frozen=True)
class Forecast:
    """Bytes on the device: `weights` of the denoiser, `learned` (what learns, its average and Adam's moments)
    and `step` (gradients and all that a step makes) at once; `reading` before that."""

    weights: int
    learned: int
    step: int
    reading: int

    @property
    def peak(self) -> int:
        """The most that is there at once."""
        return max(self.weights + self.learned + self.step, self.reading)


def forecast(folder: Path, recipe: Finetune, plan: Plan) -> Forecast:
    """The bytes that learning by `recipe` on the base in `folder` takes if it computes as `plan` says."""
    base = _open(folder, recipe, plan)
    latents, encoding = _encode(base)
    own = list(base.denoiser.parameters())
    units: dict[nn.Module, None] = {}
    autocast = _find_autocast(base, recipe, plan)

    def run(block: nn.Module, *arguments: Any) -> Any:
        units[block] = None
        if autocast is None:
            return block(*arguments)
        with autocast:
            return block(*arguments)

    checkpoint_blocks(base.denoiser, plan.checkpointing, run)
    prompts = shape_prompts(folder, recipe.batch, DTYPES[plan.precision])
    with flash_attention(), learning(base, recipe) as learned:
        learns_words = isinstance(recipe, LearnsWord) and bool(recipe.vectors)
        question = make_question(base, latents.new_empty(recipe.batch, *latents.shape[1:]), prompts, learns_words)
        with Alive([*own, *learned.values()]) as alive:
            if autocast is None:
                run_dry(base, question)
            else:
                with autocast:
                    run_dry(base, question)
    readers = _count_readers(folder, plan)
    weights = _count_weights(base, plan, list(units))
    stay = readers if plan.offload == "none" else 0
    return Forecast(
        weights=weights + stay + _count_needed(folder, base, recipe, plan),
        learned=_count_learned(learned, recipe),
        step=alive.peak + _dequantised(base, plan),
        reading=readers + encoding + (weights if plan.offload == "none" else 0),
    )


def _open(folder: Path, recipe: Finetune, plan: Plan) -> Base:
    if isinstance(recipe, DreamBooth):  # its weights learn, so they are in fp32
        full = open_hollow(folder, plan.model_copy(update={"precision": "fp32"}), recipe.resolution_px)
        return replace(full, plan=full.plan.model_copy(update={"precision": plan.precision}))
    return open_hollow(folder, plan, recipe.resolution_px)


def _find_autocast(base: Base, recipe: Finetune, plan: Plan) -> Autocast | None:
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


def _count_weights(base: Base, plan: Plan, units: list[nn.Module]) -> int:
    """Of the denoiser, as they lie on the device while it learns."""
    if plan.quantization != "none":
        linear = sum(layer.weight.numel() for layer in _linear_layers(base))
        whole = _bytes_of(base.denoiser)
        size = next(base.denoiser.parameters()).element_size()
        return whole - linear * size + int(linear * BYTES_PER_WEIGHT[plan.quantization])
    if plan.offload == "blocks":
        blocks = sorted(_bytes_of(unit) for unit in units)
        return _bytes_of(base.denoiser) - sum(blocks) + sum(blocks[-BLOCKS_AT_ONCE:])
    return _bytes_of(base.denoiser)


def _dequantised(base: Base, plan: Plan) -> int:
    """What the largest layer is for a moment."""
    if plan.quantization == "none":
        return 0
    return max(layer.weight.nbytes for layer in _linear_layers(base))


def _linear_layers(base: Base) -> list[nn.Linear]:
    return [layer for layer in base.denoiser.modules() if isinstance(layer, nn.Linear)]


def _bytes_of(network: nn.Module) -> int:
    return sum(weight.nbytes for weight in network.parameters())


def _count_learned(learned: Mapping[str, nn.Parameter], recipe: Finetune) -> int:
    """What learns, its running average, and Adam's moments; the gradients are the step's."""
    if isinstance(recipe, DreamBooth):
        own = 0  # the denoiser's own weights
    else:
        own = 1
    copies = own + (1 if recipe.averaging else 0) + (2 if recipe.optimizer == "adam" else 0.5)
    return int(copies * sum(weight.nbytes for weight in learned.values()))


def _count_readers(folder: Path, plan: Plan) -> int:
    """Of all parts but the denoiser, as their files say."""
    layout = read_layout(folder)
    parts = (part for part in (*layout.weighted, *layout.optional) if part != layout.denoiser)
    size = DTYPES[plan.precision].itemsize
    return sum(size * count_in_files(folder / part) for part in parts if (folder / part).is_dir())


def _count_needed(folder: Path, base: Base, recipe: Finetune, plan: Plan) -> int:
    """Of what reads the words in every step, where the rest has left."""
    learns_words = isinstance(recipe, LearnsWord) and bool(recipe.vectors)
    reads = learns_words or (isinstance(recipe, Adapting | DreamBooth) and recipe.text_learning_rate > 0)
    if not reads or plan.offload == "none":
        return 0
    size = DTYPES[plan.precision].itemsize
    return sum(size * count_in_files(folder / part) for part in base.text_parts)


def count_in_files(folder: Path) -> int:
    """How many weights the files of a part hold, as their headers say."""
    found = 0
    for path in folder.glob("*.safetensors"):
        if path.name.count(".") > 1:  # in another precision: model.fp16.safetensors
            continue
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        found += sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    return found
