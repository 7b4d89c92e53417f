"""The kohya form of an adapter's file for FLUX.2: layers have the names that its makers gave them.

ComfyUI and kohya's own trainers keep queries, keys and values of a block in one layer, whose adapter is
theirs side by side: factors of three times the rank, with zeros where one has no part in another. diffusers
takes them apart again. LoKr cannot be put side by side, and is in LyCORIS' names for diffusers' layers.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

PREFIX = "transformer."
NETWORK, OF_LYCORIS = "lora_unet_", "lycoris_"
DOWN, UP, MAGNITUDE = "lora_A.weight", "lora_B.weight", "lora_magnitude_vector"
FACTORS = (DOWN, UP, MAGNITUDE, "lokr_w1", "lokr_w2", "lokr_w2_a", "lokr_w2_b")
FUSED = {
    ("attn.to_q", "attn.to_k", "attn.to_v"): "img_attn_qkv",
    ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"): "txt_attn_qkv",
}
"""Of a block with two streams: layers that are one to other tools, in their order in it."""
ALONE = {
    "attn.to_out.0": "img_attn_proj",
    "attn.to_add_out": "txt_attn_proj",
    "ff.linear_in": "img_mlp_0",
    "ff.linear_out": "img_mlp_2",
    "ff_context.linear_in": "txt_mlp_0",
    "ff_context.linear_out": "txt_mlp_2",
}
OF_ONE_STREAM = {"attn.to_qkv_mlp_proj": "linear1", "attn.to_out": "linear2"}
BLOCK = re.compile(r"(single_)?transformer_blocks\.(\d+)\.(.+)")

Layer = Mapping[str, Tensor]
"""What a file holds of one layer, by the factor's name."""


def to_kohya_flux2(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file that `adapters.write_adapter` wrote of a FLUX.2, in kohya's form.

    Their strength is in the weights, so each layer's alpha is its rank. Raises `ValueError` for others.
    """
    layers: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        layer, factor = _split(name)
        layers[layer][factor] = tensor
    return {name: tensor for name, layer in _renamed(layers) for name, tensor in _written(name, layer)}


def _split(name: str) -> tuple[str, str]:
    """A layer's name, and what of it the tensor is."""
    for factor in FACTORS:
        if name.startswith(PREFIX) and name.endswith(f".{factor}"):
            return name.removeprefix(PREFIX).removesuffix(f".{factor}"), factor
    raise ValueError(f"{name} has no name in kohya's form")


def _renamed(layers: Mapping[str, Layer]) -> Iterator[tuple[str, Layer]]:
    """Each layer of other tools, by its name there."""
    for name, layer in layers.items():
        block = BLOCK.fullmatch(name)
        if block is None:
            raise ValueError(f"{name} has no name in kohya's form")
        single, number, inner = block.groups()
        if DOWN not in layer:
            yield OF_LYCORIS + name.replace(".", "_"), layer
        elif single:
            yield f"{NETWORK}single_blocks_{number}_{OF_ONE_STREAM[inner]}", layer
        elif inner in ALONE:
            yield f"{NETWORK}double_blocks_{number}_{ALONE[inner]}", layer
        else:
            for parts, fused in FUSED.items():
                if inner == parts[0]:
                    whole = _fuse([layers[name.replace(inner, part)] for part in parts])
                    yield f"{NETWORK}double_blocks_{number}_{fused}", whole


def _fuse(layers: list[Layer]) -> Layer:
    """Several layers of the same input as one, whose outputs are theirs one after another."""
    fused = {
        DOWN: torch.cat([layer[DOWN] for layer in layers]),
        UP: torch.block_diag(*(layer[UP] for layer in layers)),  # type: ignore[no-untyped-call]
    }
    if MAGNITUDE in layers[0]:
        fused[MAGNITUDE] = torch.cat([layer[MAGNITUDE] for layer in layers])
    return fused


def _written(name: str, layer: Layer) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a layer as kohya calls them."""
    for factor, tensor in layer.items():
        match factor:
            case "lora_A.weight":
                yield f"{name}.lora_down.weight", tensor
                yield f"{name}.alpha", torch.tensor(float(len(tensor)))
            case "lora_B.weight":
                yield f"{name}.lora_up.weight", tensor
            case "lora_magnitude_vector":
                # One for each output, which readers tell from one for each input by its first side.
                yield f"{name}.dora_scale", tensor.reshape(-1, 1)
            case _:
                yield f"{name}.{factor}", tensor
                if factor == "lokr_w2_b":
                    yield f"{name}.alpha", torch.tensor(float(len(tensor)))
