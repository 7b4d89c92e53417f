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
        # Only a card's way of multiplying: a CPU's own packs 64 inputs of a layer at once, and toys have fewer.
        patch.setattr(bitsandbytes.nn.modules, "has_avx512bf16", lambda: False)
        yield
