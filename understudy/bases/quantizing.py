"""A frozen denoiser's weights in 8 or 4 bits, by the packages that diffusers knows for it.

Sources: Dettmers et al., LLM.int8(), arXiv 2208.07339, and QLoRA, arXiv 2305.14314, for nf4. Only weights of
linear layers are quantised; what they compute stays in the plan's precision.
"""

from __future__ import annotations

from collections.abc import Set
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import diffusers
import torch

from understudy.domain import UserError
from understudy.recipes import Quantization

Quantizer = Literal["bitsandbytes", "torchao", "quanto"]

MODULES: dict[Quantizer, str] = {
    "bitsandbytes": "bitsandbytes",
    "torchao": "torchao",
    "quanto": "optimum.quanto",
}
CAN: dict[Quantization, tuple[Quantizer, ...]] = {
    "none": (),
    "int8": ("bitsandbytes", "quanto", "torchao"),
    "nf4": ("bitsandbytes",),
}
"""Which packages can do it, the best first; torchao keeps what it unpacks until the backward pass."""


def find_usable(device: str) -> frozenset[Quantizer]:
    """The packages that are there and work on a device; none is imported.

    bitsandbytes would work on a CPU, but diffusers 0.42 lets it quantise on a graphics card alone.
    """
    on_card = device.startswith("cuda")
    return frozenset(one for one in MODULES if _is_installed(one) and (on_card or one != "bitsandbytes"))


def check_quantization(quantization: Quantization, usable: Set[Quantizer]) -> None:
    """Raise `UserError` where weights are to be quantised and none of the `usable` packages does it."""
    if quantization != "none" and not usable & {*CAN[quantization]}:
        raise UserError(
            f"Weights in {quantization} need a graphics card and the package bitsandbytes: "
            "pip install 'understudy[8bit]', or leave --quantization out."
        )


def configure(
    quantization: Quantization, quantizer: Quantizer | None, denoiser: str, dtype: torch.dtype
) -> Any:
    """What diffusers' `from_pretrained` is told of it; None where nothing is quantised.

    Raises `UserError` where the package is there and cannot be used.
    """
    if quantizer is None:
        return None
    try:
        import_module(MODULES[quantizer])
        match quantizer:
            case "bitsandbytes" if quantization == "nf4":
                one = diffusers.BitsAndBytesConfig(
                    load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
                )
            case "bitsandbytes":
                one = diffusers.BitsAndBytesConfig(load_in_8bit=True)
            case "quanto":
                one = diffusers.QuantoConfig(weights_dtype="int8")
            case "torchao":
                weight_only = import_module("torchao.quantization").Int8WeightOnlyConfig
                one = diffusers.TorchAoConfig(weight_only())
        return diffusers.PipelineQuantizationConfig(quant_mapping={denoiser: one})
    except (ImportError, RuntimeError, AttributeError) as error:
        raise UserError(
            f"The package {quantizer} cannot be used here ({error}): update it, or leave --quantization out."
        ) from error


def _is_installed(quantizer: Quantizer) -> bool:
    top, _, inner = MODULES[quantizer].partition(".")
    return find_spec(top) is not None and (not inner or find_spec(f"{top}.{inner}") is not None)
