"""The kohya form of Stable Diffusion 3's LoRA: ComfyUI's names of all layers, and the same change to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.bases.published_denoisers import to_published
from tests.bases.toy_sd3 import make_toy_sd3
from tests.toy_character import make_character, make_recipe
from understudy.bases.base import Base
from understudy.bases.opening import open_base
from understudy.domain import UserError
from understudy.events import Event, Note
from understudy.exporting import export
from understudy.methods import learn
from understudy.methods.adapters import WEIGHTS_FILE, add_adapter, write_adapter
from understudy.methods.kohya import to_kohya
from understudy.methods.kohya_sd3 import to_kohya_sd3
from understudy.recipes import DreamBoothLora
from understudy.runs import Plan


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_sd3(tmp_path_factory.mktemp("bases") / "toy")


def open_toy(folder: Path) -> Base:
    return open_base(folder, Plan(device="cpu", precision="fp32", threads=1))


def write(base: Base, recipe: DreamBoothLora, folder: Path) -> dict[str, Tensor]:
    """An adapter that has learned something; returns what its file holds."""
    weights = add_adapter(base, recipe)
    torch.manual_seed(2)
    for weight in weights.values():
        weight.data += 0.05 * torch.randn(weight.shape)
    tensors = {name: weight.detach() for name, weight in weights.items()}
    write_adapter(tensors, recipe, "transformer", {}, folder)
    return load_file(folder / WEIGHTS_FILE)


def weights_of(base: Base) -> dict[str, Tensor]:
    """As they are without an adapter, in the names in which the model was published."""
    return to_published("sd3", {name: one.detach() for name, one in base.denoiser.state_dict().items()})


def add(weights: dict[str, Tensor], lora: dict[str, Tensor]) -> set[str]:
    """As ComfyUI does, which knows each weight by lora_unet_ and underscores for dots; returns what it read.

    Source: ComfyUI's comfy/lora.py, model_lora_keys_unet, and comfy/weight_adapter/lora.py.
    """
    read = set()
    for name in [name for name in weights if name.endswith(".weight")]:
        layer = "lora_unet_" + name.removesuffix(".weight").replace(".", "_")
        if f"{layer}.lora_up.weight" in lora:
            names = [f"{layer}.{one}" for one in ("lora_up.weight", "lora_down.weight", "alpha")]
            up, down, alpha = (lora[one] for one in names)
            weights[name] = weights[name] + alpha / len(down) * up @ down
            read |= {*names}
    return read


@pytest.mark.parametrize("adapter", ["lora", "rslora"])
def test_comfyui_makes_the_weights_that_were_learned(adapter: str, folder: Path, tmp_path: Path) -> None:
    every = ("attention", "cross-attention", "feed-forward")
    knobs = {"adapter": adapter, "rank": 4, "alpha": 8.0, "targets": every}
    recipe = DreamBoothLora.model_validate(knobs)
    learned, found = open_toy(folder), weights_of(open_toy(folder))
    lora = to_kohya(write(learned, recipe, tmp_path), "sd3")
    before = dict(found)
    assert add(found, lora) == lora.keys()
    layers: Any = learned.denoiser  # of peft where they adapt
    layers.fuse_lora()
    layers.unload_lora()
    expected = weights_of(learned)
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        assert torch.allclose(found[name], weight, atol=1e-5), name
    moved = {name for name, weight in before.items() if not torch.equal(weight, found[name])}
    assert {"joint_blocks.0.x_block.attn2.qkv.weight", "joint_blocks.1.context_block.mlp.fc1.weight"} <= moved


def test_a_part_of_a_joined_layer_may_be_adapted_alone() -> None:
    name = "transformer.transformer_blocks.2.attn.to_k"
    down, up = torch.randn(2, 5), torch.randn(7, 2)
    lora = to_kohya_sd3({f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up})
    layer = "lora_unet_joint_blocks_2_x_block_attn_qkv"
    assert lora[f"{layer}.alpha"].item() == 2
    whole = lora[f"{layer}.lora_up.weight"] @ lora[f"{layer}.lora_down.weight"]
    assert torch.allclose(whole, torch.cat([torch.zeros(7, 5), up @ down, torch.zeros(7, 5)]))


def test_layers_without_a_name_in_it_are_refused() -> None:
    for name in (
        "transformer.norm_out.linear",
        "transformer.transformer_blocks.0.norm1.linear",
        "unet.conv_in",
    ):
        with pytest.raises(ValueError, match="no name"):
            to_kohya_sd3({f"{name}.lora_A.weight": torch.zeros(1, 1)})


def test_its_readers_have_their_names_too_and_who_reads_them_is_said(folder: Path, tmp_path: Path) -> None:
    few = {"steps": 1, "prior_weight": 0.0, "averaging": 0.0, "text_learning_rate": 1e-3}
    run = learn(make_character(1), make_recipe(folder).model_copy(update=few), tmp_path / "run")
    seen: list[Event] = []
    (path,) = export(run, "kohya", tmp_path / "pip.safetensors", notify=seen.append)
    layers = {name.partition(".")[0] for name in load_file(path)}
    for reader in ("te1", "te2"):  # as ComfyUI's model_lora_keys_clip has them
        assert f"lora_{reader}_text_model_encoder_layers_1_self_attn_q_proj" in layers
    assert any("for diffusers take --format" in event.text for event in seen if isinstance(event, Note))


def test_what_cannot_be_joined_is_refused(folder: Path, tmp_path: Path) -> None:
    few = {"steps": 1, "prior_weight": 0.0, "averaging": 0.0}
    run = learn(make_character(1), make_recipe(folder, "lokr").model_copy(update=few), tmp_path / "run")
    with pytest.raises(UserError, match="which lokr does not allow: take --format diffusers"):
        export(run, "kohya", tmp_path / "pip.safetensors")
