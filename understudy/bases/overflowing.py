"""Autoencoders for whose numbers on the way fp16 is too small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from understudy.bases.base import Base


@contextmanager
def without_overflow(base: Base) -> Iterator[None]:
    """Within, an autoencoder whose config says that fp16 is not enough for it computes in fp32."""
    vae = base.pipe.vae
    is_short = vae.dtype == torch.float16 and vae.config.get("force_upcast", False)
    if is_short:
        vae.to(torch.float32)
    try:
        yield
    finally:
        if is_short:
            vae.to(torch.float16)
