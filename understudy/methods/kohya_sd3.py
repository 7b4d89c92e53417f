"""The kohya form of a LoRA for Stable Diffusion 3: layers have the names that the model was published with.

There queries, keys and values of a stream are one layer, whose adapter is theirs side by side, as FLUX.1's
is (`kohya_flux`). ComfyUI reads it and sd-scripts goes on from it; diffusers does not read it. Sources:
sd-scripts' networks/lora_sd3.py, ComfyUI's comfy/lora.py (model_lora_keys_unet, model_lora_keys_clip).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

LAYERS: Mapping[str, tuple[str, ...]] = {
    **{
        f"x_block_{attention}_qkv": tuple(f"{attention}.to_{part}" for part in "qkv")
        for attention in ("attn", "attn2")
    },
    "x_block_attn_proj": ("attn.to_out.0",),
    "x_block_attn2_proj": ("attn2.to_out.0",),
    "x_block_mlp_fc1": ("ff.net.0.proj",),
    "x_block_mlp_fc2": ("ff.net.2",),
    "context_block_attn_qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "context_block_attn_proj": ("attn.to_add_out",),
    "context_block_mlp_fc1": ("ff_context.net.0.proj",),
    "context_block_mlp_fc2": ("ff_context.net.2",),
}
"""The layers of a block by kohya's names, and the layers of diffusers' in them, in their order."""
NAME = re.compile(r"transformer\.transformer_blocks\.(\d+)\.(.+)\.lora_([AB])\.weight")

Factors = Mapping[tuple[str, str], Tensor]
"""Of a block, by diffusers' name of the layer and "A" or "B"."""


def to_kohya_sd3(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a LoRA of the denoiser in diffusers' names, in kohya's; raises `ValueError` for others.

    Their strength is in the weights, so each layer's alpha is its rank.
    """
    blocks: dict[str, dict[tuple[str, str], Tensor]] = defaultdict(dict)
    known = {part for parts in LAYERS.values() for part in parts}
    for name, tensor in tensors.items():
        found = NAME.fullmatch(name)
        if found is None or found[2] not in known:
            raise ValueError(f"{name} has no name in kohya's form")
        blocks[found[1]][found[2], found[3]] = tensor
    return {
        f"lora_unet_joint_blocks_{number}_{layer}.{ending}": tensor
        for number, factors in blocks.items()
        for layer, parts in LAYERS.items()
        for ending, tensor in _join(parts, factors).items()
    }


def _join(parts: Sequence[str], factors: Factors) -> dict[str, Tensor]:
    """The factors of the layer that `parts` make, nothing where none of them is adapted."""
    downs = [factors[part, "A"] for part in parts if (part, "A") in factors]
    if not downs:
        return {}
    # What is not adapted has outputs, as many as its like, but nothing is added to them.
    outputs = next(len(factors[part, "B"]) for part in parts if (part, "B") in factors)
    ups = [factors.get((part, "B"), downs[0].new_zeros(outputs, 0)) for part in parts]
    return {
        "lora_down.weight": torch.cat(downs),
        "lora_up.weight": torch.block_diag(*ups),  # type: ignore[no-untyped-call]
        "alpha": torch.tensor(float(sum(map(len, downs)))),
    }
