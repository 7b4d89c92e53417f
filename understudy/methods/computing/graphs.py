"""A step captured once as a CUDA graph, for a denoiser so small that its card waits for Python's next kernel.

Captured are the denoiser's answer, its loss and the way back. What reads a random number, the optimizer, and
whatever the machine decides stay outside, so that a step is the same as without.

`torch.cuda.make_graphed_callables` does it: it warms up beside the current stream, captures both ways, and
copies what a step is given to where it was captured. No card was there to try it on (docs/memory.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from understudy.bases.base import Base
from understudy.bases.conditioning import MASK, Conditioning
from understudy.events import Note, Notify
from understudy.methods.conditioning import learns_word, trains_readers
from understudy.methods.questions import Question, find_loss
from understudy.recipes import Finetune
from understudy.runs import Plan

Capture = Callable[[nn.Module, tuple[Tensor, ...]], Callable[..., Tensor]]
"""Makes of a module, and of tensors like those that it will be given, what answers as the module does."""


def can_capture(plan: Plan, recipe: Finetune) -> bool:
    """Whether nothing of how a small base learns by the recipe forbids to capture a step.

    Gradients that are captured have their place for good, and are never freed. Words that are read in a step
    have changing lengths; weights that travel, blocks that compute again or are
    compiled are not where they were captured. A replay writes gradients to where the last one did, so that
    those of several batches would not add up.
    """
    is_plain = (plan.offload, plan.checkpointing, plan.quantization) == ("none", "none", "none")
    is_plain &= not (plan.compiled or plan.fused_backward)
    reads_once = not (learns_word(recipe) or trains_readers(recipe))
    on_card = plan.device.startswith("cuda")
    return on_card and is_plain and reads_once and recipe.accumulation == 1


def capture(module: nn.Module, like: tuple[Tensor, ...]) -> Callable[..., Tensor]:
    """By torch, on the card where the tensors are."""
    untyped: Any = torch.cuda.make_graphed_callables
    captured: Callable[..., Tensor] = untyped(module, like, allow_unused_input=True)
    return captured


class CapturedLoss:
    """`find_loss`, captured when the first question comes, for all that have its shapes.

    Where capturing fails, for whatever reason, that is told, and steps are made without.
    """

    def __init__(
        self, base: Base, weights: Sequence[nn.Parameter], notify: Notify, by: Capture = capture
    ) -> None:
        self._base, self._weights, self._notify, self._by = base, weights, notify, by
        self._captured: Callable[..., Tensor] | None = None
        self._shapes: list[torch.Size] | None = None

    def __call__(self, question: Question) -> Tensor:
        """One number, whose place the next call writes to."""
        own = (question.noisy, question.times, question.target, question.weight)
        tensors = (*own, *question.prompts.tensors.values())
        shapes = [one.shape for one in tensors]
        if self._shapes is None:
            self._shapes = shapes
            self._captured = self._capture(list(question.prompts.tensors), tensors)
        if self._captured is None or shapes != self._shapes:
            return find_loss(self._base, question)
        return self._captured(*tensors)

    def _capture(self, names: list[str], tensors: tuple[Tensor, ...]) -> Callable[..., Tensor] | None:
        if MASK in names:  # a graph would keep the first prompts' lengths for all
            self._notify(Note("A step on prompts of different lengths is not captured as a CUDA graph."))
            return None
        try:
            return self._by(_Loss(self._base, names, self._weights), tuple(one.clone() for one in tensors))
        except Exception as error:  # a denoiser that asks the machine for something in its midst, a full card
            what = str(error).strip().partition("\n")[0]
            self._notify(Note(f"A step could not be captured as a CUDA graph ({what}): learning without."))
            return None


class _Loss(nn.Module):
    """The loss as a module that has the weights that learn, and is given tensors alone."""

    def __init__(self, base: Base, names: Sequence[str], weights: Sequence[nn.Parameter]) -> None:
        super().__init__()
        self._base, self._names = base, names
        self._weights = nn.ParameterList(weights)

    def forward(self, *tensors: Tensor) -> Tensor:
        noisy, times, target, weight, *read = tensors
        prompts = Conditioning(dict(zip(self._names, read, strict=True)))
        return find_loss(self._base, Question(noisy, times, prompts, target, weight))
