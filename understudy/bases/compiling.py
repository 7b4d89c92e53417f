"""Which blocks of a denoiser repeat, so that they are compiled once for all, and compiling them.

Source: diffusers' `compile_repeated_blocks`, which knows them for most families.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

OF_OTHERS: Mapping[str, tuple[str, ...]] = {"SD3Transformer2DModel": ("JointTransformerBlock",)}
"""Those of denoisers of which diffusers 0.42 does not know them, by the names of the classes."""


def find_repeated(kind: Any) -> tuple[str, ...]:
    """The names of the classes of the blocks that repeat in a class of denoisers; none where no one knows."""
    return tuple(kind._repeated_blocks) or OF_OTHERS.get(kind.__name__, ())


def compile_blocks(denoiser: nn.Module) -> None:
    """Let a denoiser's repeated blocks be compiled when they first compute; raises `ValueError` for none."""
    untyped: Any = denoiser
    untyped._repeated_blocks = [*find_repeated(type(denoiser))]
    untyped.compile_repeated_blocks()
