"""A transformer's blocks are passed over where the first of them says nearly what it said in the step before.

Source: First Block Cache of github.com/chengzeyi/ParaAttention, by diffusers' hooks. Those want to be told
which of a step's calls one is, with the prompt or without. Not all pipelines tell them, so it is told here
for all, by the step in which their scheduler is: a time would have to be read from the device. How much the
first block has changed is still read from it, by the hooks, once in each call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diffusers.hooks import FirstBlockCacheConfig, HookRegistry, apply_first_block_cache
from diffusers.hooks.hooks import CacheContext, _set_cache_context
from torch import nn

from understudy.bases.base import Base


@dataclass
class Turns:
    """Which call to the denoiser it is of those in the same step: with the prompt, or without."""

    scheduler: Any = None
    last: int | None = None
    count: int = -1

    def begin(self, scheduler: Any) -> None:
        """Before a picture, whose steps this scheduler, a fresh one, will make."""
        self.scheduler, self.last, self.count = scheduler, None, -1

    def hear(self, denoiser: nn.Module, arguments: tuple[Any, ...]) -> None:
        """Before the denoiser's own work."""
        step: int | None = self.scheduler.step_index  # None in the first
        self.count = self.count + 1 if step == self.last else 0
        self.last = step
        _set_cache_context(denoiser, CacheContext(str(self.count)))


def cache_blocks(base: Base, threshold: float) -> Turns:
    """From now on the denoiser passes over its blocks where its first block has changed by less.

    What is given back is to be told of every picture.
    """
    seen = nn.Module()
    seen.transformer_blocks = nn.ModuleList(base.cached_blocks())
    apply_first_block_cache(seen, FirstBlockCacheConfig(threshold=threshold))
    _hooks(base).invalidate_child_registries_cache()
    turns = Turns()
    base.denoiser.register_forward_pre_hook(turns.hear)
    return turns


def forget(base: Base) -> None:
    """So that the next picture takes nothing over from the last."""
    _hooks(base).reset_stateful_hooks(recurse=True)


def _hooks(base: Base) -> HookRegistry:
    return HookRegistry.check_if_exists_or_initialize(base.denoiser)
