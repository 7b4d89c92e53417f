"""A step of learning about nothing: it takes the memory that every step takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from understudy.bases.base import Base
from understudy.bases.conditioning import Conditioning
from understudy.bases.hollow import shape_tokens
from understudy.bases.words import add_wordless_vectors
from understudy.methods.adapters import add_text_adapter
from understudy.methods.attached import attached
from understudy.methods.computing.loss_scale import LossScale
from understudy.methods.conditioning import readers_in_steps
from understudy.methods.questions import Question, ask, weigh
from understudy.methods.whole_weights import train_whole
from understudy.recipes import Adapting, DreamBooth, Finetune, LearnsWord, TextualInversion

Reading = Callable[[], Conditioning]
"""Reads the prompts of a step as every step must whose readers learn."""


@contextmanager
def learning(base: Base, recipe: Finetune) -> Iterator[Mapping[str, nn.Parameter]]:
    """Within, what the recipe learns is there, of the denoiser and of what reads; gives its weights."""
    with _drawing(base, recipe) as drawing:
        yield {**drawing, **_reading(base, recipe)}


@contextmanager
def _drawing(base: Base, recipe: Finetune) -> Iterator[Mapping[str, nn.Parameter]]:
    """Of the denoiser, nothing for a word alone."""
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


def _reading(base: Base, recipe: Finetune) -> Mapping[str, nn.Parameter]:
    """Of what reads the words."""
    learned: dict[str, nn.Parameter] = {}
    if isinstance(recipe, LearnsWord) and recipe.vectors:
        learned |= {part: add_wordless_vectors(base.part(part), recipe.vectors) for part in base.word_parts}
    if isinstance(recipe, Adapting) and recipe.text_learning_rate:
        learned |= add_text_adapter(base, recipe)
    if isinstance(recipe, DreamBooth) and recipe.text_learning_rate:
        for part in base.text_parts:
            learned |= train_whole(base, part)
    return learned


def make_reading(base: Base, folder: Path, recipe: Finetune, read: Conditioning) -> Reading | None:
    """For prompts about nothing, as many as in a batch; None where the recipe's steps read none anew.

    `read` is what was read before, as `Base.read_tokens` wants it.
    """
    readers = readers_in_steps(type(base), recipe)
    if not readers:
        return None
    device = next(base.part(readers[0]).parameters()).device
    tokens = shape_tokens(folder, recipe.batch).to(str(device))
    return lambda: base.read_tokens(tokens, read)


def make_question(base: Base, latents: Tensor, prompts: Conditioning, reads_anew: bool) -> Question:
    """What a step asks about `latents` (B, C, H, W) of any values, and as many prompts.

    Where every step reads anew, gradients flow to what was read.
    """
    times = torch.full((len(latents),), base.objective.num_times // 2, device=latents.device)
    if reads_anew:
        prompts = Conditioning(
            {
                name: tensor.detach().requires_grad_() if tensor.is_floating_point() else tensor
                for name, tensor in prompts.tensors.items()
            }
        )
    weight = torch.ones_like(latents[:, :1])
    return Question(latents, times, prompts, torch.zeros_like(latents), weight)


def run_dry(
    base: Base, question: Question, scale: LossScale | None = None, reading: Reading | None = None
) -> None:
    """Forward and backward, which leave gradients on what learns."""
    if reading is not None:
        question = replace(question, prompts=reading())
    answer = ask(base, question.noisy, question.times, question.prompts)
    loss = weigh(answer, question)
    del answer
    torch.autograd.backward(loss if scale is None else scale.enlarge(loss))
