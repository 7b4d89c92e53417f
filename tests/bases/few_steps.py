"""A few-step LoRA for a toy, made on the spot: on the attention of all blocks, with random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from understudy.bases.base import Base

RANK = 2
ENDS = ("to_q", "to_v", "attention.to_k", "to_qkv_mlp_proj")


def make_few_step(base: Base, path: Path, seed: int = 0) -> Path:
    """Write one for an opened base, as large in effect as what it stands for is."""
    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, layer in base.denoiser.named_modules():
        if isinstance(layer, nn.Linear) and name.endswith(ENDS):
            down = torch.randn(RANK, layer.in_features, generator=random)
            up = torch.randn(layer.out_features, RANK, generator=random)
            tensors[f"{base.denoiser_part}.{name}.lora_A.weight"] = down / layer.in_features**0.5
            tensors[f"{base.denoiser_part}.{name}.lora_B.weight"] = up * 2
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path
