"""FLUX.1's adapters in kohya's form, whose layers have the names that the model was published with.

There several of diffusers' layers are one: what lies side by side in it is adapted by blocks on a diagonal,
so that each layer keeps its own two factors, and diffusers' reader takes them apart again without any loss.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

BLOCKS: Mapping[str, tuple[str, Mapping[str, tuple[str, ...]]]] = {
    "transformer_blocks": (
        "double_blocks",
        {
            "img_attn_qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
            "img_attn_proj": ("attn.to_out.0",),
            "img_mlp_0": ("ff.net.0.proj",),
            "img_mlp_2": ("ff.net.2",),
            "txt_attn_qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
            "txt_attn_proj": ("attn.to_add_out",),
            "txt_mlp_0": ("ff_context.net.0.proj",),
            "txt_mlp_2": ("ff_context.net.2",),
        },
    ),
    "single_transformer_blocks": (
        "single_blocks",
        {"linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"), "linear2": ("proj_out",)},
    ),
}
"""The kinds of blocks: both names, and by kohya's names of their layers the layers of diffusers' in them."""
WIDENS = {"proj_mlp": 4}
"""Outputs for each input of what is joined to others, 1 where it is not said."""
NAME = re.compile(r"transformer\.(\w+)\.(\d+)\.(.+)\.lora_([AB])\.weight")


def to_kohya_flux(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a LoRA in diffusers' names, in kohya's; raises `ValueError` for any other."""
    blocks: dict[tuple[str, str], dict[tuple[str, str], Tensor]] = {}
    for name, tensor in tensors.items():
        found = NAME.fullmatch(name)
        if found is None:
            raise ValueError(f"{name} has no name in kohya's form")
        kind, number, layer, factor = found.groups()
        blocks.setdefault((kind, number), {})[layer, factor] = tensor
    renamed: dict[str, Tensor] = {}
    for (kind, number), factors in blocks.items():
        theirs, layers = BLOCKS[kind]
        for layer, parts in layers.items():
            for ending, tensor in _join(parts, factors).items():
                renamed[f"lora_unet_{theirs}_{number}_{layer}.{ending}"] = tensor
    return renamed


def _join(parts: Sequence[str], factors: Mapping[tuple[str, str], Tensor]) -> dict[str, Tensor]:
    """The factors of the layer that `parts` make, nothing where none of them is adapted."""
    downs = [factors[part, "A"] for part in parts if (part, "A") in factors]
    if not downs:
        return {}
    down = torch.cat(downs)
    rank, width = down.shape
    # What is not adapted has outputs, but nothing is added to them.
    ups = [factors.get((part, "B"), down.new_zeros(width * WIDENS.get(part, 1), 0)) for part in parts]
    return {
        "lora_down.weight": down,
        "lora_up.weight": torch.block_diag(*ups),  # type: ignore[no-untyped-call]
        "alpha": torch.tensor(float(rank)),
    }
