"""What a denoiser is asked in a step of learning, and what its answer is worth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from understudy.bases.base import DTYPES, Base
from understudy.bases.conditioning import Conditioning


@dataclass(frozen=True)
class Question:
    """What the denoiser is asked in a step, B examples at once, and what it should answer.

    weight (B, 1, H, W): how much an error counts at each place.
    """

    noisy: Tensor
    times: Tensor
    prompts: Conditioning
    target: Tensor
    weight: Tensor

    def take(self, rows: slice) -> Question:
        """The part of it that is about some of the examples."""
        prompts = self.prompts.take(torch.arange(len(self.times))[rows])
        return Question(self.noisy[rows], self.times[rows], prompts, self.target[rows], self.weight[rows])


def weigh(answer: Tensor, question: Question) -> Tensor:
    """The weighted loss of the denoiser's answer, one number for all examples."""
    return ((answer - question.target).square() * question.weight).mean()


def ask(base: Base, noisy: Tensor, times: Tensor, prompts: Conditioning) -> Tensor:
    """What the base answers, as `Base.predict` says.

    Layers in few bits compute in whatever they are given, where autocast has others compute in the plan's
    precision: they are given that.
    """
    given = noisy if base.plan.quantizer is None else noisy.to(DTYPES[base.plan.precision])
    return base.predict(given, times, prompts)


def find_loss(base: Base, question: Question) -> Tensor:
    """The same of what the base answers now."""
    return weigh(ask(base, question.noisy, question.times, question.prompts), question)
