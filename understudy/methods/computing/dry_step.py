"""A step of learning about nothing: it takes the memory that every step takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from understudy.bases.base import Base
from understudy.bases.conditioning import Conditioning
from understudy.methods.attached import attached
from understudy.methods.computing.loss_scale import LossScale
from understudy.methods.questions import Question, ask, weigh
from understudy.methods.whole_weights import train_whole
from understudy.recipes import Adapting, DreamBooth, Finetune, TextualInversion


@contextmanager
def learning(base: Base, recipe: Finetune) -> Iterator[Mapping[str, nn.Parameter]]:
    """Within, what the recipe learns of the denoiser is there; gives its weights, none for a word alone."""
    match recipe:
        case Adapting():
            with attached(base, recipe) as weights:
                yield weights
        case DreamBooth():
            yield train_whole(base, base.denoiser_part)
        case TextualInversion():
            yield {}
        case _:
            raise TypeError(f"nothing of a base learns by {type(recipe).__name__}")


def make_question(base: Base, latents: Tensor, prompts: Conditioning, learns_words: bool) -> Question:
    """What a step asks about `latents` (B, C, H, W) of any values, and as many prompts.

    Where words learn, gradients flow to what was read.
    """
    times = torch.full((len(latents),), base.objective.num_times // 2, device=latents.device)
    if learns_words:
        prompts = Conditioning(
            {
                name: tensor.detach().requires_grad_() if tensor.is_floating_point() else tensor
                for name, tensor in prompts.tensors.items()
            }
        )
    weight = torch.ones_like(latents[:, :1])
    return Question(latents, times, prompts, torch.zeros_like(latents), weight)


def run_dry(base: Base, question: Question, scale: LossScale | None = None) -> None:
    """Forward and backward, which leave gradients on what learns."""
    answer = ask(base, question.noisy, question.times, question.prompts)
    loss = weigh(answer, question)
    del answer
    torch.autograd.backward(loss if scale is None else scale.enlarge(loss))
