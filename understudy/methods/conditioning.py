"""What the denoiser attends to in a step: read once, or in the step itself where gradients must flow."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from understudy.bases.sd1 import Sd1Base
from understudy.methods.examples import Examples

Condition = Callable[[Tensor], Tensor]
"""Turns rows of the examples' prompts (B) into what the denoiser attends to (B, L, D)."""


def read_once(examples: Examples) -> Condition:
    """For a text encoder that stays as it is."""
    return lambda prompt_B: examples.prompts[prompt_B]


def read_in_the_step(base: Sd1Base, examples: Examples) -> Condition:
    """For a text encoder, or a word in it, that learns."""
    return lambda prompt_B: base.read_tokens(examples.tokens[prompt_B])
