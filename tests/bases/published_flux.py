"""The names with which FLUX.1's layers were published (github.com/black-forest-labs/flux, model.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# What is one layer in FLUX.1 as it was published: by its name there, diffusers' layers, one below the other.
OF_FLUX: Mapping[str, Sequence[str]] = {
    "double_blocks.{}.img_attn.qkv": [f"transformer_blocks.{{}}.attn.to_{one}" for one in "qkv"],
    "double_blocks.{}.txt_attn.qkv": [f"transformer_blocks.{{}}.attn.add_{one}_proj" for one in "qkv"],
    "double_blocks.{}.img_attn.proj": ["transformer_blocks.{}.attn.to_out.0"],
    "double_blocks.{}.txt_attn.proj": ["transformer_blocks.{}.attn.to_add_out"],
    "double_blocks.{}.img_mlp.0": ["transformer_blocks.{}.ff.net.0.proj"],
    "double_blocks.{}.img_mlp.2": ["transformer_blocks.{}.ff.net.2"],
    "double_blocks.{}.txt_mlp.0": ["transformer_blocks.{}.ff_context.net.0.proj"],
    "double_blocks.{}.txt_mlp.2": ["transformer_blocks.{}.ff_context.net.2"],
    "double_blocks.{}.img_mod.lin": ["transformer_blocks.{}.norm1.linear"],
    "double_blocks.{}.txt_mod.lin": ["transformer_blocks.{}.norm1_context.linear"],
    "single_blocks.{}.linear1": [
        f"single_transformer_blocks.{{}}.{one}" for one in ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
    ],
    "single_blocks.{}.linear2": ["single_transformer_blocks.{}.proj_out"],
    "single_blocks.{}.modulation.lin": ["single_transformer_blocks.{}.norm.linear"],
}
