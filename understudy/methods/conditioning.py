"""What the denoiser attends to in a step: read once, or in the step itself where gradients must flow."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from understudy.bases.base import Base
from understudy.bases.conditioning import Conditioning
from understudy.methods.examples import Examples

Condition = Callable[[Tensor], Conditioning]
"""Turns rows of the examples' prompts (B), on the CPU, into what the denoiser attends to."""


def read_once(examples: Examples) -> Condition:
    """For a text encoder that stays as it is."""
    return lambda prompt_B: examples.prompts.take(prompt_B)


def read_in_the_step(base: Base, examples: Examples) -> Condition:
    """For a text encoder, or a word in it, that learns."""
    return lambda prompt_B: base.read_tokens(examples.tokens.take(prompt_B))
