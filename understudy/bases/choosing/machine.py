"""The graphics card of this machine, and those that notebooks lend for nothing."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2**30
DRIVER_GIB = 0.5
"""What CUDA itself takes."""
USABLE = 0.95
"""Of the rest: memory is handed out in pieces, and some of it is always between them."""
RESERVE = 0.08
"""Share of what is free that learning leaves so, for gaps and what kernels put aside."""
FIRST_WITH_BF16 = 8
"""Compute capability: from Ampere on. Older cards only imitate bf16, which is slow."""


@dataclass(frozen=True)
class Gpu:
    """A graphics card."""

    name: str
    memory_gib: float
    has_bf16: bool

    @property
    def usable_gib(self) -> float:
        """What drawing with a base can have of it."""
        return (self.memory_gib - DRIVER_GIB) * USABLE

    @property
    def learnable_gib(self) -> float:
        """What learning can have of it, where nothing else is on it."""
        return (self.memory_gib - DRIVER_GIB) * (1 - RESERVE)


FREE_NOTEBOOK = Gpu("Tesla T4", 14.56, has_bf16=False)
"""What Colab and Kaggle lend for nothing (docs/bases.md)."""


def find_gpu() -> Gpu | None:
    """The first CUDA card, or None; takes the seconds that importing torch takes."""
    import torch

    if not torch.cuda.is_available():
        return None
    about = torch.cuda.get_device_properties(0)
    return Gpu(about.name, about.total_memory / GIB, about.major >= FIRST_WITH_BF16)
