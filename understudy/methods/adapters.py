"""Adapters of five kinds: put on a network, written to a file that other tools read, and read again.

All of them are peft's; `recipes.adapting` names the papers. What other tools make of each file:
diffusers' `load_lora_weights` reads lora, dora and rslora; `unet.load_lora_adapter(FOLDER, weight_name=...,
prefix="unet")` of its newest releases (0.42) reads lokr; and oft, which diffusers does not know, is in peft's
own layout for `PeftModel.from_pretrained`.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, assert_never

import torch
from peft import LoKrConfig, LoraConfig, OFTConfig, PeftConfig
from safetensors.torch import load_file
from torch import Tensor, nn

from understudy.bases.base import Base
from understudy.methods.credits import write_weights
from understudy.methods.noise_rank import follow_noise, fuse_by_noise
from understudy.recipes import Adapting

WEIGHTS_FILE = "pytorch_lora_weights.safetensors"
"""The name that diffusers looks for in a folder."""
PEFT_WEIGHTS_FILE = "adapter_model.safetensors"
PEFT_CONFIG_FILE = "adapter_config.json"
"""The names that peft looks for."""
TEXT_PREFIXES = ("text_encoder.", "text_encoder_2.")
"""What the names of the text encoders' weights begin with."""
PEFT_PREFIX = "base_model.model."
DIFFUSERS_CONFIG = "lora_adapter_metadata"
"""Where diffusers looks, in a file's header, for what the shapes of its tensors do not say."""


def add_adapter(base: Base, recipe: Adapting) -> dict[str, nn.Parameter]:
    """Put a fresh fp32 adapter on the denoiser, which changes nothing yet; returns its weights by name."""
    ends = [end for target in recipe.targets for end in base.lora_targets[target]]
    weights = _adapt(base.denoiser, ends, recipe)
    if recipe.follows_noise:
        follow_noise(base.denoiser, recipe.min_rank, recipe.rank, base.noise_heard)
    return weights


def add_text_adapter(base: Base, recipe: Adapting) -> dict[str, nn.Parameter]:
    """The same on the attention of what reads the words, where the rank is the same at every noise."""
    return {
        f"{part}.{name}": weight
        for part in base.text_parts
        for name, weight in _adapt(base.part(part), base.text_lora_targets, recipe).items()
    }


def write_adapter(
    tensors: Mapping[str, Tensor], recipe: Adapting, part: str, facts: Mapping[str, str], folder: Path
) -> None:
    """Write what `add_adapter` and `add_text_adapter` put on a base, with `facts` in the file's header.

    `part` is the pipeline's name for the denoiser.

    The strength goes into the weights themselves: readers differ in where they look for it.
    """
    if recipe.adapter == "oft":
        layers = sorted({name.partition(".oft_R.")[0] for name in tensors})
        saved = {_name_in_file(name, recipe, part): tensor for name, tensor in tensors.items()}
        config = _plain(_configure(recipe, layers))
        (folder / PEFT_CONFIG_FILE).write_text(json.dumps(config, indent=1, sort_keys=True), encoding="utf-8")
        write_weights(saved, facts, folder / PEFT_WEIGHTS_FILE)
        return
    scaled = ".lokr_w1." if recipe.adapter == "lokr" else ".lora_B."
    strength = find_strength(recipe)
    saved = {
        _name_in_file(name, recipe, part): tensor * (strength if scaled in name else 1.0)
        for name, tensor in tensors.items()
    }
    said = dict(facts) | {"format": "pt"}
    if recipe.adapter == "lokr":
        said[DIFFUSERS_CONFIG] = _say_lokr(tensors, recipe, part)
    if recipe.follows_noise:
        said["rank_by_noise"] = f"from {recipe.min_rank} at the highest to {recipe.rank} at none"
    write_weights(saved, said, folder / WEIGHTS_FILE)


def load_adapter(base: Base, recipe: Adapting, folder: Path, fuse: bool = True) -> None:
    """Put on a base what `write_adapter` wrote into `folder`, and, to `fuse` it, into its own weights.

    One whose rank falls with noise is fused anew at every rank: then nothing else may be fused.
    """
    match recipe.adapter:
        case "lora" | "dora" | "rslora":
            base.pipe.load_lora_weights(str(folder), weight_name=WEIGHTS_FILE)
        case "lokr" | "oft":
            # Its strength is in its weights already.
            weights = add_adapter(base, recipe.model_copy(update={"alpha": recipe.rank}))
            saved = load_file(folder / (PEFT_WEIGHTS_FILE if recipe.adapter == "oft" else WEIGHTS_FILE))
            for name, weight in weights.items():
                weight.data.copy_(saved[_name_in_file(name, recipe, base.denoiser_part)])
        case _:
            assert_never(recipe.adapter)
    if recipe.follows_noise:
        follow = fuse_by_noise if fuse else follow_noise
        follow(base.denoiser, recipe.min_rank, recipe.rank, base.noise_heard)
    elif fuse:
        # Added to the base's own weights once, instead of computed beside them in every layer.
        base.pipe.fuse_lora()


def find_strength(recipe: Adapting) -> float:
    """What the product of an adapter's factors is multiplied by."""
    return recipe.alpha / (math.sqrt(recipe.rank) if recipe.adapter == "rslora" else recipe.rank)


def _adapt(network: Any, ends: Sequence[str], recipe: Adapting) -> dict[str, nn.Parameter]:
    """A fresh adapter on the layers of a model, of diffusers or transformers, whose names end in `ends`."""
    before = set(network.parameters())
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where a rotated block had to be another size, as its help says
        torch.manual_seed(recipe.seed)
        network.add_adapter(_configure(recipe, _find_layers(network, ends, recipe)))
    weights = {name: weight for name, weight in network.named_parameters() if weight not in before}
    for weight in weights.values():
        weight.data = weight.data.float()  # peft takes the base's precision
    return weights


def _configure(recipe: Adapting, layers: Sequence[str]) -> PeftConfig:
    rank, names = recipe.rank, list(layers)
    match recipe.adapter:
        case "lora":
            return LoraConfig(r=rank, lora_alpha=recipe.alpha, target_modules=names)
        case "dora":
            return LoraConfig(r=rank, lora_alpha=recipe.alpha, target_modules=names, use_dora=True)
        case "rslora":
            return LoraConfig(r=rank, lora_alpha=recipe.alpha, target_modules=names, use_rslora=True)
        case "lokr":
            return LoKrConfig(r=rank, alpha=recipe.alpha, target_modules=names)
        case "oft":
            # Exact rotations: the series that peft takes otherwise is good for small ones only.
            return OFTConfig(r=0, oft_block_size=rank, target_modules=names, use_cayley_neumann=False)
        case _:
            assert_never(recipe.adapter)


def _find_layers(network: nn.Module, ends: Sequence[str], recipe: Adapting) -> list[str]:
    """The names of the layers that end so; for oft without the convolutions that it cannot rotate.

    An end that begins with a dot is of no layer of the network itself, only of those in its blocks. peft 0.21
    adds up the overlapping patches of a 3x3 convolution: even a rotation by nothing changes it.
    """
    within = tuple(end if end.startswith(".") else f".{end}" for end in ends)
    return [
        name
        for name, layer in network.named_modules()
        if name.endswith(within) or name in ends
        if recipe.adapter != "oft" or _can_rotate(layer)
    ]


def _can_rotate(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1))


def _name_in_file(name: str, recipe: Adapting, part: str) -> str:
    """As peft saves it, without the adapter's own name, and as its reader wants it begun."""
    prefix = PEFT_PREFIX if recipe.adapter == "oft" else f"{part}."
    for encoder in TEXT_PREFIXES:
        if name.startswith(encoder):
            # As all readers know it: later releases of transformers left out "text_model.".
            prefix, name = f"{encoder}text_model.", name.removeprefix(encoder).removeprefix("text_model.")
    if ".lora_magnitude_vector." in name or ".lokr_" in name:
        return prefix + name.removesuffix(".weight").removesuffix(".default")
    return prefix + name.replace(".default.", ".")


def _say_lokr(tensors: Mapping[str, Tensor], recipe: Adapting, part: str) -> str:
    """How diffusers must make the adapter anew, the strength being in the weights already."""
    layers = sorted({name.partition(".lokr_")[0] for name in tensors})
    config = {"r": recipe.rank, "alpha": recipe.rank, "target_modules": layers}
    return json.dumps({f"{part}.{knob}": value for knob, value in config.items()}, sort_keys=True)


def _plain(config: PeftConfig) -> dict[str, object]:
    """A config as JSON takes it, the same every time."""
    return {
        knob: sorted(value) if isinstance(value, set) else value for knob, value in config.to_dict().items()
    }
