"""Stable Diffusion 1.x and SDXL as their makers' own code names their weights: one file for everything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from torch import Tensor

RESNET = {
    "norm1.": "in_layers.0.",
    "conv1.": "in_layers.2.",
    "time_emb_proj.": "emb_layers.1.",
    "norm2.": "out_layers.0.",
    "conv2.": "out_layers.3.",
    "conv_shortcut.": "skip_connection.",
}
ENDS = {
    "conv_in.": "input_blocks.0.0.",
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "add_embedding.linear_1.": "label_emb.0.0.",
    "add_embedding.linear_2.": "label_emb.0.2.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
    "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.",
}
VAE = {
    "mid_block.resnets.0.": "mid.block_1.",
    "mid_block.resnets.1.": "mid.block_2.",
    "mid_block.attentions.0.group_norm.": "mid.attn_1.norm.",
    "mid_block.attentions.0.to_q.": "mid.attn_1.q.",
    "mid_block.attentions.0.to_k.": "mid.attn_1.k.",
    "mid_block.attentions.0.to_v.": "mid.attn_1.v.",
    "mid_block.attentions.0.to_out.0.": "mid.attn_1.proj_out.",
    "conv_norm_out.": "norm_out.",
    "conv_shortcut.": "nin_shortcut.",
}


OPEN_CLIP = {
    "embeddings.token_embedding.": "token_embedding.",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.": "ln_final.",
    "encoder.layers.": "transformer.resblocks.",
    ".layer_norm1.": ".ln_1.",
    ".layer_norm2.": ".ln_2.",
    ".mlp.fc1.": ".mlp.c_fc.",
    ".mlp.fc2.": ".mlp.c_proj.",
    ".self_attn.out_proj.": ".attn.out_proj.",
}


def to_original(pipe: StableDiffusionPipeline) -> dict[str, Tensor]:
    """All weights by their original names."""
    weights = _of_unet_and_vae(pipe)
    for name, value in pipe.text_encoder.state_dict().items():
        inner = name.removeprefix("text_model.")
        weights[f"cond_stage_model.transformer.text_model.{inner}"] = value
    return {name: value.contiguous() for name, value in weights.items()}


def to_original_xl(pipe: StableDiffusionXLPipeline) -> dict[str, Tensor]:
    """All weights of an SDXL, whose second reader is OpenCLIP's."""
    weights = _of_unet_and_vae(pipe)
    for name, value in pipe.text_encoder.state_dict().items():
        inner = name.removeprefix("text_model.")
        weights[f"conditioner.embedders.0.transformer.text_model.{inner}"] = value
    for name, value in _of_open_clip(pipe.text_encoder_2).items():
        weights[f"conditioner.embedders.1.model.{name}"] = value
    return {name: value.contiguous() for name, value in weights.items()}


def _of_unet_and_vae(pipe: Any) -> dict[str, Tensor]:
    layers = pipe.unet.config.layers_per_block
    weights = {
        f"model.diffusion_model.{_name_in_unet(name, layers, _upsampled(pipe.unet))}": value
        for name, value in pipe.unet.state_dict().items()
    }
    count = len(pipe.vae.config.block_out_channels)
    for name, value in pipe.vae.state_dict().items():
        is_matrix = value.dim() == 2  # attention was made of convolutions of one pixel
        weights[f"first_stage_model.{_name_in_vae(name, count)}"] = (
            value[:, :, None, None] if is_matrix else value
        )
    return weights


def _of_open_clip(reader: Any) -> dict[str, Tensor]:
    """Queries, keys and values are one layer there, and what projects the pooled prompt is no layer."""
    found: dict[str, Tensor] = {}
    own = {name.removeprefix("text_model."): value for name, value in reader.state_dict().items()}
    for name, value in own.items():
        if name == "text_projection.weight":
            found["text_projection"] = value.T
        elif ".q_proj." in name:
            joined = torch.cat([own[name.replace(".q_proj.", f".{one}_proj.")] for one in "qkv"])
            name = name.replace(".self_attn.q_proj.", ".attn.in_proj_")
            found[_replace_parts(name)] = joined
        elif ".k_proj." not in name and ".v_proj." not in name:
            found[_replace_parts(name)] = value
    return found


def _replace_parts(name: str) -> str:
    for mine, theirs in OPEN_CLIP.items():
        name = name.replace(mine, theirs)
    return name


def _upsampled(unet: Any) -> list[bool]:
    """Whether an upper block attends, which moves its upsampler's place."""
    return [hasattr(block, "attentions") for block in unet.up_blocks]


def _name_in_unet(name: str, layers: int, attends: list[bool]) -> str:
    name = _replace_start(name, ENDS)
    match = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.", name)
    if match:
        way, block, kind, layer = match[1], int(match[2]), match[3], int(match[4])
        rest = name[match.end() :]
        if kind == "downsamplers":
            return f"input_blocks.{(block + 1) * (layers + 1)}.0.op.{rest.removeprefix('conv.')}"
        if kind == "upsamplers":
            return f"output_blocks.{block * (layers + 1) + layers}.{1 + attends[block]}.{rest}"
        first = 1 + block * (layers + 1) if way == "down" else block * (layers + 1)
        blocks = "input_blocks" if way == "down" else "output_blocks"
        name = f"{blocks}.{first + layer}.{int(kind == 'attentions')}.{rest}"
    return _replace_resnet(name)


def _replace_resnet(name: str) -> str:
    if "transformer_blocks" in name:
        return name
    for mine, original in RESNET.items():
        if f".{mine}" in name:
            return name.replace(mine, original)
    return name


def _name_in_vae(name: str, count: int) -> str:
    half, _, rest = name.partition(".")
    if half not in ("encoder", "decoder"):
        return name
    match = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|downsamplers|upsamplers)\.(\d+)\.", rest)
    if match:
        way, block, kind, layer = match[1], int(match[2]), match[3], match[4]
        place = block if way == "down" else count - 1 - block
        inner = f"block.{layer}." if kind == "resnets" else f"{way}sample."
        rest = f"{way}.{place}.{inner}{rest[match.end() :]}"
    for mine, original in VAE.items():
        rest = rest.replace(mine, original)
    return f"{half}.{rest}"


def _replace_start(name: str, table: Mapping[str, str]) -> str:
    for mine, original in table.items():
        if name.startswith(mine):
            return original + name.removeprefix(mine)
    return name
