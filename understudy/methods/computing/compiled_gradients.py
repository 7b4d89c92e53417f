"""Whether compiled blocks send back what the same blocks send back as they are.

torch's compiler has given a U-Net the right answers and no gradient in its inner levels (docs/log.md): the
loss falls all the same, so that nothing but the gradients themselves shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from understudy.bases.base import Base
from understudy.bases.conditioning import Conditioning
from understudy.methods.computing.checkpointing import checkpoint_blocks
from understudy.methods.computing.dry_step import run_dry
from understudy.methods.computing.fused_backward import freeing_gradients
from understudy.methods.computing.loss_scale import LossScale
from understudy.methods.questions import Question

HEARD = 1e-3
"""Of the largest gradient's size: what is smaller may be nothing but what rounding leaves."""
LOST = 0.1
"""Of the gradient without compiling: rounding changes none by as much."""


class LostGradients(Exception):
    """Of `total` matrices that get a gradient, compiled blocks give `count` none worth the name."""

    def __init__(self, count: int, total: int) -> None:
        super().__init__(count, total)
        self.count, self.total = count, total


def make_telling(question: Question) -> Question:
    """The same about random numbers: of prompts with one token throughout no layer learns where to look."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        told = {
            name: torch.randn_like(one).requires_grad_(one.requires_grad) if one.is_floating_point() else one
            for name, one in question.prompts.tensors.items()
        }
        noisy, target = torch.randn_like(question.noisy), torch.randn_like(question.target)
        return replace(question, noisy=noisy, target=target, prompts=Conditioning(told))


def measure_plain(
    base: Base, question: Question, weights: Sequence[Tensor], scale: LossScale
) -> Sequence[Tensor]:
    """The sizes of gradients as `measure_gradients` finds them, of blocks that compute again to save memory.

    To be called before the base computes as planned.
    """
    checkpoint_blocks(base.denoiser, "whole")
    found = measure_gradients(base, question, weights, scale)
    untyped: Any = base.denoiser
    untyped.disable_gradient_checkpointing()
    return found


def measure_gradients(
    base: Base, question: Question, weights: Sequence[Tensor], scale: LossScale
) -> Sequence[Tensor]:
    """The norms of the gradients of weights in a dry step, 0 where there is none; each is freed at once."""
    norms: dict[Tensor, Tensor] = {}

    def take(weight: Tensor) -> None:
        assert weight.grad is not None
        norms[weight] = weight.grad.norm()

    with freeing_gradients(weights, take):
        run_dry(base, question, scale)
    return [norms.get(weight, torch.zeros((), device=weight.device)) for weight in weights]


def check_gradients(plain: Sequence[Tensor], compiled: Sequence[Tensor]) -> None:
    """Raise `LostGradients` where compiled blocks give less of some weight's gradient than `LOST`."""
    both = [(one.item(), other.item()) for one, other in zip(plain, compiled, strict=True)]
    # fp16 overflows at its first scale: what is no number without compiling tells nothing.
    told = [(one, other) for one, other in both if isfinite(one)]
    least = HEARD * max((one for one, _ in told), default=0.0)
    heard = [(one, other) for one, other in told if one > least]
    count = sum(not other >= LOST * one for one, other in heard)  # so that nan counts as lost
    if count:
        raise LostGradients(count, len(heard))
