"""What a step of learning takes of the device's memory, before anything is loaded.

The step itself is made on torch's meta device, and what is alive at once is counted (`dry_run.py`); so it
holds for every family, size, rank and adapter. Beside tensors a graphics card needs room for its libraries,
for what kernels put aside, and for gaps: `plans.RESERVE` leaves some.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from pathlib import Path

import torch

from understudy.bases import catalog
from understudy.bases.catalog import read_layout
from understudy.bases.hollow import META, make_part
from understudy.bases.opening import find_kind
from understudy.bases.placing import AUTOENCODER
from understudy.methods.computing.dry_run import Seen, dry_run
from understudy.methods.conditioning import readers_in_steps
from understudy.recipes import LEAVES, Finetune
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


class Forecaster:
    """Forecasts of one recipe on the base in a folder, of which each dry run is made once."""

    def __init__(self, folder: Path, recipe: Finetune, processes: int = 1) -> None:
        # Of a batch that does not part evenly the first has most.
        share = recipe.model_copy(update={"batch": ceil(recipe.batch / processes)})
        self._folder, self._recipe, self._processes = folder, share, processes
        self._seen: dict[tuple[str, bool, str, bool, bool], Seen] = {}

    def __call__(self, plan: Plan) -> Forecast:
        """The bytes that learning takes if it computes as `plan` says."""
        blocks = (plan.checkpointing, plan.compiled, plan.fused_backward)
        key = (plan.precision, plan.offload == "none", *blocks)
        if key not in self._seen:
            self._seen[key] = dry_run(self._folder, self._recipe, plan)
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


def _count_weights(seen: Seen, plan: Plan, processes: int) -> int:
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


def word_readers(folder: Path) -> list[str]:
    """The parts that read the prompts."""
    return [part for part in catalog.list_weighted(folder) if part.startswith("text_encoder")]


def count_all_weights(folder: Path) -> int:
    """How many weights all parts of a base have together."""
    return sum(count_weights(folder, part) for part in catalog.list_weighted(folder))


def count_weights(folder: Path, part: str) -> int:
    """How many weights a part of a base has, as its files' headers say, or, without files, its config."""
    counted = catalog.count_weights(folder, part)
    if counted:
        return counted
    with torch.device(META):
        network = make_part(folder, part)
    return sum(weight.numel() for weight in network.parameters())
