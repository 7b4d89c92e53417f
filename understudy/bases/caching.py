"""A transformer's blocks are passed over where the first of them says nearly what it said in the step before.

Source: First Block Cache of github.com/chengzeyi/ParaAttention, by diffusers' hooks. Those want to be told
which of a step's calls one is, with the prompt or without. Not all pipelines tell them, so it is told here
for all, by the time that the denoiser is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.hooks import FirstBlockCacheConfig, HookRegistry, apply_first_block_cache
from diffusers.hooks.hooks import CacheContext, _set_cache_context
from torch import nn

from understudy.bases.base import Base


@dataclass
class _Turns:
    """Which call to the denoiser it is of those at the same time: with the prompt, or without."""

    last: float | None = None
    count: int = field(default=0)

    def hear(self, denoiser: nn.Module, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """Before the denoiser's own work."""
        asked = arguments[1] if len(arguments) > 1 else named["timestep"]
        time = float(torch.as_tensor(asked).reshape(-1)[0])
        self.count = self.count + 1 if time == self.last else 0
        self.last = time
        _set_cache_context(denoiser, CacheContext(str(self.count)))


def cache_blocks(base: Base, threshold: float) -> None:
    """From now on the denoiser passes over its blocks where its first block has changed by less."""
    seen = nn.Module()
    seen.transformer_blocks = nn.ModuleList(base.cached_blocks())
    apply_first_block_cache(seen, FirstBlockCacheConfig(threshold=threshold))
    _hooks(base).invalidate_child_registries_cache()
    base.denoiser.register_forward_pre_hook(_Turns().hear, with_kwargs=True)


def forget(base: Base) -> None:
    """So that the next picture takes nothing over from the last."""
    _hooks(base).reset_stateful_hooks(recurse=True)


def _hooks(base: Base) -> HookRegistry:
    return HookRegistry.check_if_exists_or_initialize(base.denoiser)
