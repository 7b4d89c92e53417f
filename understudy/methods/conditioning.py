"""What the denoiser attends to in a step: read once, or in the step itself where gradients must flow."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from understudy.bases.base import Base
from understudy.bases.conditioning import Conditioning
from understudy.methods.examples import Examples
from understudy.recipes import Adapting, DreamBooth, Finetune, LearnsWord

Condition = Callable[[Tensor], Conditioning]
"""Turns rows of the examples' prompts (B), on the CPU, into what the denoiser attends to."""


def read_once(examples: Examples) -> Condition:
    """For a text encoder that stays as it is."""
    return lambda prompt_B: examples.prompts.take(prompt_B)


def read_in_the_step(base: Base, examples: Examples) -> Condition:
    """For a text encoder, or a word in it, that learns."""
    return lambda prompt_B: base.read_tokens(examples.tokens.take(prompt_B), examples.prompts.take(prompt_B))


def read_as(recipe: Finetune, base: Base, examples: Examples) -> Condition:
    """Whichever of both a recipe needs."""
    return read_in_the_step(base, examples) if readers_in_steps(type(base), recipe) else read_once(examples)


def readers_in_steps(kind: type[Base], recipe: Finetune) -> tuple[str, ...]:
    """The parts of a family's pipeline with which every step reads its prompts anew; the others may go."""
    if learns_word(recipe):
        return (*kind.word_parts,)
    return kind.text_parts if trains_readers(recipe) else ()


def learns_word(recipe: Finetune) -> bool:
    """Whether the character gets a word of its own."""
    return isinstance(recipe, LearnsWord) and recipe.vectors > 0


def trains_readers(recipe: Finetune) -> bool:
    """Whether the text encoders learn, too."""
    return isinstance(recipe, Adapting | DreamBooth) and recipe.text_learning_rate > 0
