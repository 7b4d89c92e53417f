"""A frozen denoiser computes in the precision of its own weights, as it does when it draws.

Autocast, which learning else needs for weights in fp32 beside it, makes a graphics card compute every norm in
fp32: more memory for what the backward pass keeps, and more time to move it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

NOISY = ("sample", "hidden_states")
"""What denoisers call the latents that they are given, if they are not simply the first."""


@contextmanager
def in_own_precision(denoiser: nn.Module, device: str) -> Iterator[None]:
    """Within, the denoiser takes latents of any precision and is not touched by autocast."""
    own = denoiser.forward
    weight = next(weight for weight in denoiser.parameters() if weight.is_floating_point())

    def cast(latents: Any) -> Any:
        return latents.to(weight.dtype) if isinstance(latents, Tensor) else latents

    def forward(*arguments: Any, **named: Any) -> Any:
        with torch.autocast(torch.device(device).type, enabled=False):
            named = {name: cast(value) if name in NOISY else value for name, value in named.items()}
            return own(*map(cast, arguments[:1]), *arguments[1:], **named)

    denoiser.forward = forward
    try:
        yield
    finally:
        del denoiser.forward
