"""In place of compiling: nothing, or what a faulty compiler makes of a U-Net's blocks."""

from __future__ import annotations

from diffusers.models.attention import BasicTransformerBlock
from torch import nn


def compile_nothing(denoiser: nn.Module) -> None:
    """The blocks as they are."""


def compile_wrongly(denoiser: nn.Module) -> None:
    """The right answers, and no way back through what the first block looks at."""
    block = next(one for one in denoiser.modules() if isinstance(one, BasicTransformerBlock))
    block.attn2.register_forward_hook(lambda module, given, answer: answer.detach())


def compile_deafly(denoiser: nn.Module) -> None:
    """The right answers, and no way back to the words."""
    for block in denoiser.modules():
        if isinstance(block, BasicTransformerBlock):
            block.attn2.register_forward_hook(lambda module, given, answer: answer.detach() + 0 * answer)
