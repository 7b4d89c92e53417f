"""What a denoiser's step takes over from those before it, by diffusers' hooks.

Either a transformer's blocks are passed over where the first of them says nearly what it said in the step
before; source: First Block Cache of github.com/chengzeyi/ParaAttention. Or all costly layers are passed over
in most steps, and what the last of them would say is foretold from how it changed; source: Liu et al.,
TaylorSeer, arXiv 2503.06923, which foretells every layer: whatever is passed over, only the last is heard.

The hooks want to be told which of a step's calls one is, with the prompt or without. Not all pipelines tell
them, so it is told here for all, by the step in which their scheduler is: a time would have to be read from
the device. How much a first block has changed is still read from it, by the hooks, once in each call; when to
foretell is only counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers.hooks import (
    FirstBlockCacheConfig,
    HookRegistry,
    TaylorSeerCacheConfig,
    apply_first_block_cache,
    apply_taylorseer_cache,
)
from diffusers.hooks.hooks import CacheContext, _set_cache_context
from torch import nn

from understudy.bases.base import Base

FIRST_STEPS = 3
"""As many are always computed; two that follow each other say how fast an answer changes."""


@dataclass
class Turns:
    """Which call to the denoiser it is of those in the same step: with the prompt, or without.

    Where a pipeline asks both at once (`asks_once`) it is always the first: not all of the schedulers that
    such pipelines know say in which step they are.
    """

    asks_once: bool = False
    scheduler: Any = None
    last: int | None = None
    count: int = -1

    def begin(self, scheduler: Any) -> None:
        """Before a picture, whose steps this scheduler, a fresh one, will make."""
        self.scheduler, self.last, self.count = scheduler, None, -1

    def hear(self, denoiser: nn.Module, arguments: tuple[Any, ...]) -> None:
        """Before the denoiser's own work."""
        if self.asks_once:
            self.count = 0
        else:
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
    return _listen(base)


def foretell(base: Base, interval: int) -> Turns:
    """From now on the denoiser computes the first steps and one of each `interval` that follow.

    What is given back is to be told of every picture.
    """
    *passed_over, last = base.foretold_layers()
    seen = nn.Module()
    seen.passed_over, seen.last = nn.ModuleList(passed_over), last
    config = TaylorSeerCacheConfig(
        cache_interval=interval,
        disable_cache_before_step=FIRST_STEPS,
        max_order=1,
        taylor_factors_dtype=torch.float32,
        skip_predict_identifiers=[r"passed_over\.\d+"],
        cache_identifiers=["last"],
    )
    apply_taylorseer_cache(seen, config)
    return _listen(base)


def forget(base: Base) -> None:
    """So that the next picture takes nothing over from the last."""
    _hooks(base).reset_stateful_hooks(recurse=True)


def _listen(base: Base) -> Turns:
    _hooks(base).invalidate_child_registries_cache()
    turns = Turns(base.asks_once)
    base.denoiser.register_forward_pre_hook(turns.hear)
    return turns


def _hooks(base: Base) -> HookRegistry:
    return HookRegistry.check_if_exists_or_initialize(base.denoiser)
