"""What a denoiser is asked in a step of learning, and what its answer is worth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from understudy.bases.base import Base
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


def find_loss(base: Base, question: Question) -> Tensor:
    """The same of what the base answers now."""
    return weigh(base.predict(question.noisy, question.times, question.prompts), question)
