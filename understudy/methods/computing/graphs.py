"""A step captured once as a CUDA graph, so that no card waits for Python's next kernel.

Captured are the denoiser's answer, its loss and the way back. What reads a random number, the optimizer, the
loss scale and whatever the machine decides stay outside, so that a step is the same as without, the optimizer
need not be capturable, and fp16's scale goes in as the gradient of the loss.

`torch.cuda.make_graphed_callables` does it: three times it warms up beside the current stream, where blocks
compile and tables are moved once and for all, captures both ways, and copies what a step is given to where it
was captured. What reads the host in a step it refuses, or, in the worst case, keeps as it was: so what was
captured is asked another question, too, and must answer as the base does. No card was there to try it on
(docs/memory.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from understudy.bases.base import Base
from understudy.bases.conditioning import MASK, Conditioning
from understudy.events import Note, Notify
from understudy.methods.computing.compiled_gradients import HEARD, make_telling
from understudy.methods.computing.out_of_memory import is_out_of_memory
from understudy.methods.conditioning import learns_word, trains_readers
from understudy.methods.questions import Question, find_loss
from understudy.recipes import LEAVES, Finetune
from understudy.runs import Plan

Capture = Callable[[nn.Module, tuple[Tensor, ...]], Callable[..., Tensor]]
"""Makes of a module, and of tensors like those that it will be given, what answers as the module does."""
CLOSE = 0.05
"""How far a captured step's loss and gradients may be from the base's own, as a share: only rounding is."""


class NotCaptured(RuntimeError):
    """Why a step could not be captured, in a few words."""


def why_not(plan: Plan, recipe: Finetune) -> str:
    """What of how a base learns by the recipe forbids to capture a step; empty where nothing does.

    Gradients that are captured have their place for good, and are never freed. Words that are read in a step
    have changing lengths; weights that travel are not where they were captured, and those in few bits are
    unpacked by kernels that may ask the card for something. A replay writes gradients to where the last one
    did, so that those of several batches would not add up.
    """
    reasons = {
        "there is no graphics card": not plan.device.startswith("cuda"),
        "every step reads the prompts anew": learns_word(recipe) or trains_readers(recipe),
        "its gradients do not add up over the batches of --accumulation": recipe.accumulation > 1,
        "blocks of the base come and go": plan.offload in LEAVES,
        "the base is quantised": plan.quantization != "none",
        "each gradient is freed at once": plan.fused_backward,
    }
    return next((reason for reason, is_so in reasons.items() if is_so), "")


def capture(module: nn.Module, like: tuple[Tensor, ...]) -> Callable[..., Tensor]:
    """By torch, on the card where the tensors are."""
    untyped: Any = torch.cuda.make_graphed_callables
    captured: Callable[..., Tensor] = untyped(module, like, allow_unused_input=True)
    return captured


@dataclass(frozen=True)
class Captured:
    """`find_loss` for all questions that have these shapes, and prompts as long as these."""

    shapes: Mapping[str, torch.Size]
    mask: Tensor | None
    replay: Callable[..., Tensor]

    def fits(self, question: Question) -> bool:
        """Whether it can be asked; nothing waits for the device to know that."""
        shapes = {name: one.shape for name, one in _tensors(question).items()}
        return shapes == self.shapes and _have_one_mask(self.mask, question.prompts.tensors.get(MASK))

    def __call__(self, question: Question) -> Tensor:
        """One number, whose place the next call writes to."""
        return self.replay(*_tensors(question).values())


def capture_loss(
    base: Base, weights: Sequence[nn.Parameter], question: Question, by: Capture = capture
) -> Captured:
    """`find_loss` of the base, captured by a question like all that come.

    Raises `NotCaptured` where it cannot be, or answers another question otherwise than the base does;
    `torch.OutOfMemoryError` where it does not fit.
    """
    other = _make_other(base, question)
    expected = _measure(find_loss(base, other), weights)  # before, so that no step is kept twice
    tensors, mask = _tensors(question), question.prompts.tensors.get(MASK)
    names = [name for name in question.prompts.tensors if name != MASK]
    like = tuple(one.clone() for one in tensors.values())
    try:
        replay = by(_Loss(base, names, mask, weights), like)
    except Exception as error:  # a denoiser that asks the machine for something in its midst
        if is_out_of_memory(error):
            raise torch.OutOfMemoryError(str(error)) from error
        raise NotCaptured(str(error).strip().partition("\n")[0]) from error
    captured = Captured({name: one.shape for name, one in tensors.items()}, mask, replay)
    if not _are_close(expected, _measure(captured(other), weights)):
        raise NotCaptured("what was captured answers otherwise than the base")
    return captured


class CapturedLoss:
    """`find_loss`, captured when the first question comes, for all that it fits.

    Where capturing fails, for whatever reason, that is told, and steps are made without.
    """

    def __init__(
        self, base: Base, weights: Sequence[nn.Parameter], notify: Notify, by: Capture = capture
    ) -> None:
        self._base, self._weights, self._notify, self._by = base, weights, notify, by
        self._captured: Captured | None = None
        self._was_asked = False

    def __call__(self, question: Question) -> Tensor:
        """One number, whose place the next call writes to."""
        if not self._was_asked:
            self._was_asked = True
            self._captured = self._capture(question)
        if self._captured is None or not self._captured.fits(question):
            return find_loss(self._base, question)
        return self._captured(question)

    def _capture(self, question: Question) -> Captured | None:
        try:
            return capture_loss(self._base, self._weights, question, self._by)
        except (NotCaptured, torch.OutOfMemoryError) as error:
            what = str(error).partition("\n")[0]
            self._notify(Note(f"A step could not be captured as a CUDA graph ({what}): learning without."))
            return None


def capturing(
    base: Base, weights: Sequence[nn.Parameter], mask: Tensor | None, notify: Notify
) -> CapturedLoss | None:
    """What finds the losses of a run's steps as its plan says; None where that is `find_loss`.

    `mask` (prompts, L) is that of all prompts that they ask about. Steps about prompts of different lengths
    are none that repeat, which is told: of each length one would have to be kept, with all that it makes.
    """
    if not base.plan.captured:
        return None
    if mask is not None and bool((mask != mask[:1]).any()):
        notify(Note("No step is captured as a CUDA graph, because the prompts differ in length."))
        return None
    return CapturedLoss(base, weights, notify)


class _Loss(nn.Module):
    """The loss as a module that has the weights that learn, and is given tensors alone, by these names."""

    def __init__(
        self, base: Base, names: Sequence[str], mask: Tensor | None, weights: Sequence[nn.Parameter]
    ) -> None:
        super().__init__()
        self._base, self._names = base, names
        self.mask: Tensor | None
        self.register_buffer("mask", mask)  # the host's own, as Python reads it
        self._weights = nn.ParameterList(weights)

    def forward(self, *tensors: Tensor) -> Tensor:
        noisy, times, target, weight, *read = tensors
        masked = {} if self.mask is None else {MASK: self.mask}
        prompts = Conditioning(dict(zip(self._names, read, strict=True)) | masked)
        return find_loss(self._base, Question(noisy, times, prompts, target, weight))


def _tensors(question: Question) -> dict[str, Tensor]:
    """All that lies on the device, by names, the question's own first."""
    own = {
        "noisy": question.noisy,
        "times": question.times,
        "target": question.target,
        "weight": question.weight,
    }
    return own | {f"prompts.{name}": one for name, one in question.prompts.tensors.items() if name != MASK}


def _have_one_mask(one: Tensor | None, other: Tensor | None) -> bool:
    return one is other if one is None or other is None else torch.equal(one, other)


def _make_other(base: Base, question: Question) -> Question:
    """About random numbers at other times, so that nothing of the question can be in its answer."""
    half = base.objective.num_times // 2
    return replace(make_telling(question), times=(question.times + half) % base.objective.num_times)


def _measure(loss: Tensor, weights: Sequence[nn.Parameter]) -> Tensor:
    """The loss and the norm of each weight's gradient."""
    learning = [weight for weight in weights if weight.requires_grad]
    found = torch.autograd.grad(loss, learning, allow_unused=True) if learning else ()
    norms = [loss.new_zeros(()) if one is None else one.norm().to(loss) for one in found]
    return torch.stack([loss.detach(), *norms])


def _are_close(expected: Tensor, found: Tensor) -> bool:
    least = HEARD * expected[1:].nan_to_num().max().item() if len(expected) > 1 else 0.0
    return torch.allclose(found, expected, rtol=CLOSE, atol=least, equal_nan=True)
