"""Gradient checkpointing: blocks of the denoiser compute again in the backward pass what they do not keep.

Source: Chen et al., Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from understudy.recipes import Checkpointing

Run = Callable[..., Any]


def checkpoint_blocks(denoiser: nn.Module, kind: Checkpointing, run: Run | None = None) -> None:
    """From now on the blocks of a denoiser that can compute again do so: all of them, or every other one.

    `run` is called with a block and its arguments in the place of the block itself, also where none does.
    """
    if kind == "none" and run is None:
        return
    untyped: Any = denoiser
    untyped.enable_gradient_checkpointing(_Checkpointed(_EVERY[kind], run or _call))


_EVERY: dict[Checkpointing, int | None] = {"none": None, "segments": 2, "whole": 1}


class _Checkpointed:
    """Called by the denoiser in the place of its blocks: every `every`-th computes again, if any.

    Blocks are counted in the order in which they are first called, which is the same in every step.
    """

    def __init__(self, every: int | None, run: Run) -> None:
        self._every, self._run = every, run
        self._places: dict[nn.Module, int] = {}

    def __call__(self, block: nn.Module, *arguments: Any) -> Any:
        place = self._places.setdefault(block, len(self._places))
        if self._every is None or place % self._every:
            return self._run(block, *arguments)
        # Nothing in a block is random, so there is no state of a generator to keep.
        return checkpoint(self._run, block, *arguments, use_reentrant=False, preserve_rng_state=False)


def _call(block: nn.Module, *arguments: Any) -> Any:
    return block(*arguments)
