"""LoRA of a toy in the names in which such files are published, and what they make of the toy's weights.

Few-step LoRA for Stable Diffusion 1.5 and SDXL (LCM-LoRA, SDXL-Lightning, Hyper-SD) have kohya's names of
diffusers' layers, convolutions among them; those that sd-scripts learns on SDXL and FLUX.1 have kohya's names
of the layers that the models were published with; Qwen-Image-Lightning has diffusers' names without the
denoiser's, and Z-Image-Fun-Lora-Distill those of VideoX-Fun, whose layers are below one of no name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

RANK, ALPHA = 4, 1.0
Names = Callable[[str], str]
Factors = dict[str, tuple[Tensor, Tensor]]
"""By a layer's name: down (rank, inputs, ...) and up (outputs, rank, ...)."""

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
FORWARD = ("ff.net.0.proj", "ff.net.2")
OF_TRANSFORMERS = (*ATTENTION, *FORWARD, "proj_in", "proj_out")
# With the others that diffusers' examples/consistency_distillation/train_lcm_distill_lora_sdxl.py learns.
OF_UNETS = (
    *OF_TRANSFORMERS,
    *("conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj"),
)
OF_QWEN = (
    *(f"attn.{one}" for one in (*ATTENTION, "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")),
    *(f"{of}_{layer}" for of in ("img", "txt") for layer in ("mlp.net.0.proj", "mlp.net.2", "mod.1")),
)
ALL = ("",)


def make_factors(denoiser: nn.Module, endings: Sequence[str]) -> Factors:
    """Random ones, for its layers that end so."""
    random = torch.Generator().manual_seed(0)
    factors = {}
    for name, layer in denoiser.named_modules():
        if name.endswith(tuple(endings)) and isinstance(layer, nn.Linear | nn.Conv2d):
            out, *rest = layer.weight.shape
            down = torch.randn(RANK, *rest, generator=random)
            factors[name] = (down, torch.randn(out, RANK, *(1 for _ in rest[1:]), generator=random) * 0.1)
    return factors


def write_lora(factors: Factors, name: Names, path: Path) -> Path:
    """With an alpha that is not the rank, as most have."""
    tensors = {}
    for layer, (down, up) in factors.items():
        tensors[f"{name(layer)}.lora_down.weight"] = down
        tensors[f"{name(layer)}.lora_up.weight"] = up
        tensors[f"{name(layer)}.alpha"] = torch.tensor(ALPHA)
    save_file({layer: tensor.contiguous() for layer, tensor in tensors.items()}, path)
    return path


def what_is_added(factors: Factors) -> dict[str, Tensor]:
    """To the weights of each layer, by a LoRA's definition."""
    return {
        layer: (up.flatten(1) @ down.flatten(1)).reshape(len(up), *down.shape[1:]) * (ALPHA / RANK)
        for layer, (down, up) in factors.items()
    }


def as_kohya(layer: str) -> str:
    """A layer of diffusers' U-Net."""
    return "lora_unet_" + layer.replace(".", "_")


def as_sd_scripts_of_sdxl(layer: str) -> str:
    """A layer of an attention in a U-Net of three levels with one ResNet each, by its place in SDXL's own."""
    place = re.match(r"(down|up)_blocks\.(\d)\.attentions\.(\d)\.|mid_block\.attentions\.0\.", layer)
    assert place is not None
    rest = layer[place.end() :].replace(".", "_")
    if place[1] is None:
        return f"lora_unet_middle_block_1_{rest}"
    block, number = int(place[2]), int(place[3])
    first = {"down": 1 + 2 * block, "up": 2 * block}[place[1]]
    return f"lora_unet_{'input' if place[1] == 'down' else 'output'}_blocks_{first + number}_1_{rest}"


def as_lightx2v(layer: str) -> str:
    """As it is."""
    return layer


def as_videox_fun(layer: str) -> str:
    """Below a network whose own name is empty."""
    return "lora_unet__" + layer.replace(".", "_")
