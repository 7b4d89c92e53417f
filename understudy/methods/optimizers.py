"""Adam, as it is or in 8 bits, and what it keeps of each weight."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from understudy.domain import UserError
from understudy.recipes import Finetune

BETA1 = 0.9
BYTES_OF_MOMENTS = {"adam": 8, "adam-8bit": 2}
"""What each optimizer keeps of a weight."""
_NAMES = {
    "exp_avg": "adam_mean",
    "exp_avg_sq": "adam_square",
    # bitsandbytes': the numbers themselves, 8 bits each in large tensors, and the sizes of their blocks.
    "state1": "adam_mean",
    "state2": "adam_square",
    "absmax1": "adam_mean_size",
    "absmax2": "adam_square_size",
}
"""What is saved of Adam's state; the rest is the count of steps and constants."""
MOMENTS = tuple(dict.fromkeys(_NAMES.values()))
_OWN_STATE = ("exp_avg", "exp_avg_sq")
_8BIT_STATE = ("state1", "state2", "absmax1", "absmax2")
_8BIT_TABLES = {"qmap1": "dynamic", "qmap2": "udynamic"}
"""What 8 bits stand for, by the names in the state and in the optimizer."""


def make_optimizer(groups: list[dict[str, Any]], recipe: Finetune) -> torch.optim.Optimizer:
    """The recipe's optimizer for groups of weights, each with its "params" and "lr".

    Source of the 8-bit one: Dettmers et al., arXiv 2110.02861. Raises `UserError` where its package is not
    installed.
    """
    betas, decay = (BETA1, recipe.adam_beta2), recipe.weight_decay
    if recipe.optimizer == "adam":
        return torch.optim.AdamW(groups, betas=betas, weight_decay=decay, fused=True)
    made: torch.optim.Optimizer = _bitsandbytes().optim.AdamW8bit(groups, betas=betas, weight_decay=decay)
    return made


def check_optimizer(recipe: Finetune) -> None:
    """Raise `UserError` before the work where the recipe's optimizer is not installed."""
    if recipe.optimizer == "adam-8bit":
        _bitsandbytes()


def read_moments(optimizer: torch.optim.Optimizer, weight: nn.Parameter) -> dict[str, Tensor]:
    """What the optimizer keeps of a weight, by name; its step count is the checkpoint's."""
    return {_NAMES[key]: kept for key, kept in optimizer.state.get(weight, {}).items() if key in _NAMES}


def write_moments(
    optimizer: torch.optim.Optimizer, weight: nn.Parameter, moments: Mapping[str, Tensor], step: int
) -> None:
    """Set what the optimizer keeps of a weight to what `read_moments` gave after `step` steps."""
    if not moments:  # nothing has reached this weight yet
        return
    keys = _OWN_STATE if isinstance(optimizer, torch.optim.AdamW) else _8BIT_STATE
    state: dict[str, Any] = {
        key: moments[_NAMES[key]].to(weight.device) for key in keys if _NAMES[key] in moments
    }
    if isinstance(optimizer, torch.optim.AdamW):
        state["step"] = torch.tensor(float(step), device=weight.device)
    else:
        state["step"] = step
        if "absmax1" in state:  # small tensors stay in 32 bits
            untyped: Any = optimizer
            state |= {key: untyped.name2qmap[table].to(weight.device) for key, table in _8BIT_TABLES.items()}
    optimizer.state[weight] = state


def _bitsandbytes() -> Any:
    try:
        return import_module("bitsandbytes")
    except (ImportError, RuntimeError) as error:  # or it finds no library for this machine's card
        raise UserError(
            "The optimizer adam-8bit needs the package bitsandbytes: pip install 'understudy[8bit]', "
            "or take --optimizer adam."
        ) from error
