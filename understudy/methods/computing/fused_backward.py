"""A backward pass that moves each weight as soon as its gradient is whole, and frees the gradient at once.

Of all gradients together, which are as large as what learns, so only a few are ever there. What moves a
weight does not ask for the others, and nothing of the pass reads a weight once its gradient is whole, so that
the weights are those of a step after the pass, to the last bit.

Source: Lv et al., Full Parameter Fine-tuning for Large Language Models with Limited Resources, arXiv
2306.09782, with any optimizer as in PyTorch's tutorial on steps in the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from understudy.domain import UserError
from understudy.methods.optimizers import make_optimizer
from understudy.recipes import DreamBooth, Finetune


def can_fuse(recipe: Finetune, precision: str, processes: int) -> bool:
    """Whether it saves anything, and nothing needs a gradient after the backward pass.

    An adapter's gradients, or a word's, are so few that there is nothing to save.
    """
    if not isinstance(recipe, DreamBooth) or recipe.fused_backward == "no":
        return False
    return recipe.keeps_gradients is None and precision != "fp16" and processes == 1


def check_fused(recipe: Finetune, precision: str, processes: int) -> None:
    """Raise `UserError` where a fused backward pass is asked for, and the machine forbids it."""
    if not isinstance(recipe, DreamBooth) or recipe.fused_backward != "yes":
        return
    if processes > 1:
        raise refuse_several()
    if precision == "fp16":
        raise UserError(
            "This graphics card computes in fp16, and a fused backward pass would move weights before it is "
            "known whether that overflowed: take --precision fp32, or leave --fused-backward out."
        )


def refuse_several() -> UserError:
    """What the user is told who lets several processes learn by it."""
    return UserError(
        "A fused backward pass moves weights before several processes have summed their gradients: leave "
        "accelerate launch out, or begin a run without --fused-backward."
    )


@contextmanager
def freeing_gradients(
    weights: Iterable[Tensor], take: Callable[[Tensor], None] = lambda weight: None
) -> Iterator[None]:
    """Within, a backward pass hands each weight to `take` when its gradient is whole, and frees that then."""

    def free(weight: Tensor) -> None:
        take(weight)
        weight.grad = None

    untyped: list[Any] = list(weights)
    hooks = [weight.register_post_accumulate_grad_hook(free) for weight in untyped]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def stepping_in_backward(optimizer: torch.optim.Optimizer, recipe: Finetune) -> Iterator[None]:
    """Within, a backward pass takes the optimizer's step, with the learning rates that it has then.

    What it keeps of the weights stays its own, to be saved and restored as ever; its own step afterwards
    finds no gradient and does nothing.
    """
    steps: dict[Tensor, Callable[[], None]] = {
        weight: _step_of(weight, group, optimizer, recipe)
        for group in optimizer.param_groups
        for weight in group["params"]
    }
    with freeing_gradients(steps, lambda weight: steps[weight]()):
        yield


def _step_of(
    weight: Tensor, group: Mapping[str, Any], optimizer: torch.optim.Optimizer, recipe: Finetune
) -> Callable[[], None]:
    """The optimizer's step of one weight, which would else look at all others for each."""
    one = make_optimizer([{"params": [weight], "lr": group["lr"]}], recipe)
    one.state = optimizer.state

    def step() -> None:
        one.param_groups[0]["lr"] = group["lr"]
        one.step()

    return step
