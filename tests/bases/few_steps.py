"""LoRA for a toy, made on the spot: one of few steps, and one as if it had been learned."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from understudy.bases.base import Base
from understudy.methods.adapters import add_adapter, write_adapter
from understudy.recipes import DreamBoothLora

RANK = 2
ENDS = ("to_q", "to_v", "attention.to_k", "to_qkv_mlp_proj")


def make_few_step(base: Base, path: Path, seed: int = 0) -> Path:
    """Write one for an opened base: on its attention, with random weights that change what it draws."""
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


def write_random(base: Base, recipe: DreamBoothLora, folder: Path) -> None:
    """Write an adapter as if it had been learned on a base, which has it from then on."""
    weights = {name: torch.randn_like(one) * 0.2 for name, one in add_adapter(base, recipe).items()}
    folder.mkdir()
    write_adapter(weights, recipe, base.denoiser_part, {}, folder)
