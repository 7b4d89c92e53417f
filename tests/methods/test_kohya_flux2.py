"""The kohya form of FLUX.2's adapters: other tools' names for the layers, and the same change to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.bases.toy_flux2 import make_toy_flux2
from understudy.bases.base import Base
from understudy.bases.opening import open_base
from understudy.methods.adapters import WEIGHTS_FILE, add_adapter, write_adapter
from understudy.methods.kohya_flux2 import to_kohya_flux2
from understudy.recipes import Adapter, DreamBoothLora
from understudy.runs import Plan

ALL_LAYERS = {
    *(f"double_blocks_0_{stream}_{part}" for stream in ("img", "txt") for part in ("attn_qkv", "attn_proj")),
    *(f"double_blocks_0_{stream}_mlp_{number}" for stream in ("img", "txt") for number in (0, 2)),
    *(f"single_blocks_{number}_linear{part}" for number in (0, 1) for part in (1, 2)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_flux2(tmp_path_factory.mktemp("bases") / "toy")


def open_toy(folder: Path) -> Base:
    return open_base(folder, Plan(device="cpu", precision="fp32", threads=1))


def answer(base: Base) -> Tensor:
    noisy = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return base.predict(noisy, torch.tensor([500.0]), base.encode_prompt(["Pip"]))


def write(base: Base, adapter: Adapter, folder: Path) -> dict[str, Tensor]:
    """An adapter of all layers that has learned something; returns what its file holds."""
    recipe = DreamBoothLora(
        adapter=adapter, rank=4, alpha=8.0, targets=("attention", "cross-attention", "feed-forward")
    )
    weights = add_adapter(base, recipe)
    torch.manual_seed(2)
    for weight in weights.values():
        weight.data += 0.05 * torch.randn(weight.shape)
    tensors = {name: weight.detach() for name, weight in weights.items()}
    write_adapter(tensors, recipe, "transformer", {}, folder)
    return load_file(folder / WEIGHTS_FILE)


@pytest.mark.parametrize("adapter", ["lora", "rslora", "lokr"])
def test_plain_diffusers_answers_as_what_was_learned(adapter: Adapter, folder: Path, tmp_path: Path) -> None:
    learned, other = open_toy(folder), open_toy(folder)
    before = answer(other)
    save_file(to_kohya_flux2(write(learned, adapter, tmp_path)), tmp_path / "kohya.safetensors")
    other.pipe.load_lora_weights(tmp_path, weight_name="kohya.safetensors")
    assert torch.allclose(answer(other), answer(learned), atol=1e-4)
    assert not torch.allclose(answer(other), before, atol=1e-3)


def test_layers_have_the_names_that_other_tools_know(folder: Path, tmp_path: Path) -> None:
    tensors = to_kohya_flux2(write(open_toy(folder), "lora", tmp_path))
    layers = {name.partition(".")[0] for name in tensors}
    assert layers == {f"lora_unet_{layer}" for layer in ALL_LAYERS}
    for layer in layers:
        rank = 12 if layer.endswith("qkv") else 4
        down, up = tensors[f"{layer}.lora_down.weight"], tensors[f"{layer}.lora_up.weight"]
        assert tensors[f"{layer}.alpha"].item() == len(down) == up.shape[1] == rank


def test_dora_of_three_layers_is_that_of_the_one_of_their_outputs(folder: Path, tmp_path: Path) -> None:
    base = open_toy(folder)
    tensors = to_kohya_flux2(write(base, "dora", tmp_path))
    layer = "lora_unet_double_blocks_0_img_attn_qkv"
    attention = base.denoiser.get_submodule("transformer_blocks.0.attn")
    parts: list[Any] = [attention.get_submodule(f"to_{which}") for which in "qkv"]
    whole = torch.cat([part.get_base_layer().weight for part in parts])
    moved = whole + tensors[f"{layer}.lora_up.weight"] @ tensors[f"{layer}.lora_down.weight"]
    found = tensors[f"{layer}.dora_scale"] * moved / moved.norm(dim=1, keepdim=True)
    for part in parts:
        part.merge()
    assert torch.allclose(found, torch.cat([part.get_base_layer().weight for part in parts]), atol=1e-5)


def test_layers_of_other_families_have_no_name_in_it() -> None:
    for name in ("unet.conv_in.lora_A.weight", "transformer.norm_out.linear.lora_A.weight"):
        with pytest.raises(ValueError, match="no name"):
            to_kohya_flux2({name: torch.zeros(1, 1)})
