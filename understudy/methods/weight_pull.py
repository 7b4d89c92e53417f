"""How far an adapter has moved a network from its base: held small, it takes the place of class pictures."""

from __future__ import annotations

from collections.abc import Callable

import torch
from peft.tuners.lokr import LoKrLayer
from peft.tuners.lora import LoraLayer
from peft.tuners.oft import OFTLayer
from torch import Tensor, nn

Change = Callable[[], Tensor]
"""How far something has moved by now: a number that gradients flow through."""


def measure_change(network: nn.Module) -> Change:
    """The mean over all adapted layers of |change of the weights|^2 / |weights|^2.

    Must be called before the adapter learns.
    """
    changes = [_of_layer(layer) for layer in network.modules() if _is_adapted(layer)]
    return lambda: torch.stack([change() for change in changes]).mean()


def _is_adapted(layer: nn.Module) -> bool:
    return isinstance(layer, LoraLayer | LoKrLayer | OFTLayer)


def _of_layer(layer: nn.Module) -> Change:
    match layer:
        case LoraLayer():
            return _of_lora(layer)
        case LoKrLayer():
            return _of_lokr(layer)
        case OFTLayer():
            return _of_oft(layer)
    raise TypeError(f"no adapter: {layer}")


def _of_lora(layer: LoraLayer) -> Change:
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    share = layer.scaling["default"] ** 2 / _square(_weight(layer)).item()
    if not layer.use_dora["default"]:
        return lambda: share * _square_of_product(up.flatten(1), down.flatten(1))
    magnitude = layer.lora_magnitude_vector["default"].weight
    before = magnitude.detach().clone()
    return lambda: (
        share * _square_of_product(up.flatten(1), down.flatten(1))
        + _square(magnitude - before) / _square(before)
    )


def _of_lokr(layer: LoKrLayer) -> Change:
    share = layer.scaling["default"] ** 2 / _square(_weight(layer)).item()
    first = layer.lokr_w1["default"]
    # |w1 x w2| = |w1| |w2| for the Kronecker product
    if "default" in layer.lokr_w2:
        whole = layer.lokr_w2["default"]
        return lambda: share * _square(first) * _square(whole)
    a, b = layer.lokr_w2_a["default"], layer.lokr_w2_b["default"]
    return lambda: share * _square(first) * _square_of_product(a, b)


def _of_oft(layer: OFTLayer) -> Change:
    # A rotation by the skew matrix Q is about 1 + 2Q, and `turned` holds one half of Q's numbers.
    turned = layer.oft_R["default"].weight
    share = 8 / _weight(layer)[0].numel()
    return lambda: share * _square(turned)


def _weight(layer: LoraLayer | LoKrLayer | OFTLayer) -> Tensor:
    weight: Tensor = layer.get_base_layer().weight
    return weight.detach().float()


def _square(tensor: Tensor) -> Tensor:
    return tensor.square().sum()


def _square_of_product(a_OR: Tensor, b_RI: Tensor) -> Tensor:
    """|ab|^2 = trace(a'a bb'), which never forms the product."""
    return ((a_OR.T @ a_OR) * (b_RI @ b_RI.T)).sum()
