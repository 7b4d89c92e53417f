"""A denoiser larger than its device: blocks come when they compute, the next while one does, and leave again.

Only frozen weights travel, and only towards the device: they never change. Each block must compute again in
the backward pass (`checkpointing`), which then fetches it anew; so no weight has to wait there for it. A
block computes with the copies that came, not with weights that are pointed elsewhere afterwards: the backward
pass keeps some of them.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


class Stream:
    """Calls blocks with their weights on `device`; all other weights of the denoiser stay there."""

    def __init__(self, denoiser: nn.Module, blocks: Sequence[nn.Module], device: str) -> None:
        self._device = torch.device(device)
        is_card = self._device.type == "cuda"
        self._side = torch.cuda.Stream(self._device) if is_card else None  # type: ignore[no-untyped-call]
        self._blocks = list(blocks)
        self._places = {block: place for place, block in enumerate(blocks)}
        own = [find_frozen(block) for block in blocks]
        self._names = [list(weights) for weights in own]
        self._kept = [self._hold(list(weights.values())) for weights in own]
        self._coming: dict[int, _Coming] = {}
        self._last = -1
        for weights, kept in zip(own, self._kept, strict=True):
            for weight, tensor in zip(weights.values(), kept, strict=True):
                weight.data = tensor
        travelling = {weight for weights in own for weight in weights.values()}
        move_others(denoiser, set(denoiser.parameters()) - travelling, self._device)

    def run(self, block: nn.Module, *arguments: Any) -> Any:
        """What the block answers."""
        place = self._places[block]
        weights = dict(zip(self._names[place], self._bring(place), strict=True))
        return torch.func.functional_call(block, weights, arguments)

    def _hold(self, weights: Sequence[nn.Parameter]) -> list[Tensor]:
        """The weights in the machine's memory, where a graphics card can fetch them by itself."""
        held = [weight.data.to("cpu") for weight in weights]
        return [one.pin_memory() for one in held] if self._side else held

    def _bring(self, place: int) -> list[Tensor]:
        """A block's weights on the device; the next block's are on their way then."""
        coming = self._coming.pop(place, None) or self._fetch(place)
        if coming.event is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_event(coming.event)
            for tensor in coming.tensors:
                tensor.record_stream(current)
        # Forward through the blocks, then backward, then forward again from the first.
        following = place + (1 if place > self._last or place == 0 else -1)
        self._last = place
        self._coming = {at: one for at, one in self._coming.items() if at == following}
        if following not in self._coming and 0 <= following < len(self._blocks):
            self._coming[following] = self._fetch(following)
        return coming.tensors

    def _fetch(self, place: int) -> _Coming:
        """Begin to copy a block's weights to the device, beside what computes there."""
        if self._side is None:
            return _Coming([one.to(self._device, copy=True) for one in self._kept[place]], None)
        with torch.cuda.stream(self._side):
            tensors = [one.to(self._device, non_blocking=True) for one in self._kept[place]]
            return _Coming(tensors, self._side.record_event())


@dataclass(frozen=True)
class _Coming:
    """Copies on their way to the device, which are there when `event` has happened."""

    tensors: list[Tensor]
    event: torch.cuda.Event | None


def move_others(denoiser: nn.Module, others: Set[nn.Parameter], device: torch.device) -> None:
    """Put those weights of the denoiser, and all that it keeps beside weights, on the device."""
    for tensor in (*others, *denoiser.buffers()):
        tensor.data = tensor.data.to(device)


def find_frozen(block: nn.Module) -> dict[str, nn.Parameter]:
    """The weights of a block that do not learn, by name."""
    return {name: weight for name, weight in block.named_parameters() if not weight.requires_grad}
