"""bitsandbytes without a graphics card: it computes on a CPU too, and only diffusers asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bitsandbytes
import pytest
from diffusers.quantizers.bitsandbytes import BnB4BitDiffusersQuantizer, BnB8BitDiffusersQuantizer


@contextmanager
def quantizing_on_the_cpu() -> Iterator[None]:
    """Within, diffusers lets bitsandbytes quantise where it loads; all else is as on a card."""

    def accept(*asked: object, **named: object) -> None:
        """No card is asked for."""

    with pytest.MonkeyPatch.context() as patch:
        for kind in (BnB4BitDiffusersQuantizer, BnB8BitDiffusersQuantizer):
            patch.setattr(kind, "validate_environment", accept)
            patch.setattr(kind, "update_device_map", lambda quantizer, device_map: {"": "cpu"})
        # As a card multiplies: a CPU's own way packs 64 of a layer's inputs, more than a toy's have.
        patch.setattr(bitsandbytes.nn.modules, "has_avx512bf16", lambda: False)
        yield
