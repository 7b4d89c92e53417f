"""What a denoiser attends to: some tensors for each prompt, under the family's own names for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

MASK = "mask"
"""Stays on the CPU wherever the others go: Python reads from it how long a prompt is, in every step."""


@dataclass(frozen=True)
class Conditioning:
    """Tensors by name, a row for each prompt: `hidden` (P, L, D) and what else the family needs.

    Prompts of different lengths are padded to the longest; then `mask` (P, L), which is on the
    CPU, is 1 where there is a token.
    """

    tensors: Mapping[str, Tensor]

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values()), ()))

    def take(self, rows_B: Tensor) -> Self:
        """Those of the prompts whose rows are given, on the CPU, so that nothing waits for the device."""
        return type(self)(
            {
                name: tensor[rows_B.to(tensor.device, non_blocking=True)]
                for name, tensor in self.tensors.items()
            }
        )

    def to(self, device: str) -> Self:
        """The same on a device, all but the mask."""
        return type(self)(
            {name: tensor if name == MASK else tensor.to(device) for name, tensor in self.tensors.items()}
        )

    @classmethod
    def join(cls, some: Sequence[Self]) -> Self:
        """All prompts one after another, padded with zeros to the longest of all."""
        names = some[0].tensors if some else {}
        return cls({name: _join([one.tensors[name] for one in some]) for name in names})


def _join(tensors: Sequence[Tensor]) -> Tensor:
    """Along the first side; the second is made equal where there are three, or where it is a mask."""
    longest = max(tensor.shape[1] for tensor in tensors) if tensors[0].dim() > 1 else 0
    return torch.cat([_pad(tensor, longest) for tensor in tensors])


def _pad(tensor: Tensor, length: int) -> Tensor:
    missing = length - tensor.shape[1] if tensor.dim() > 1 else 0
    if missing == 0:
        return tensor
    return F.pad(tensor, (0, 0) * (tensor.dim() - 2) + (0, missing))
