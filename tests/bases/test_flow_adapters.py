"""Adapters and whole denoisers of SD 3.5 and FLUX.1: on which layers, written and read again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers.loaders.lora_conversion_utils import _convert_kohya_flux_lora_to_diffusers
from torch import Tensor

from tests.bases.test_families import PLAN, PROMPTS, noisy_latents
from tests.bases.toys import make_toy
from tests.toy_character import make_recipe
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.methods.adapters import add_adapter, load_adapter, write_adapter
from understudy.methods.kohya import to_kohya
from understudy.recipes import Adapter, Target


@pytest.fixture(scope="module", params=["sd3", "flux"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    family: Family = request.param
    return make_toy(family, tmp_path_factory.mktemp("bases") / family)


@pytest.mark.parametrize(
    ("target", "ends"),
    [
        ("attention", {"to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "to_add_out"}),
        ("cross-attention", {"add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"}),
        ("feed-forward", {"ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2"}),
    ],
)
def test_targets_are_layers_of_the_blocks(folder: Path, target: Target, ends: set[str]) -> None:
    base = open_base(folder, PLAN)
    recipe = make_recipe(folder).model_copy(update={"targets": (target, "convolutions")})
    layers = {name.partition(".lora_")[0] for name in add_adapter(base, recipe)}
    assert all("transformer_blocks." in layer for layer in layers)
    for end in ends:
        assert any(layer.endswith(f".{end}") for layer in layers), end
    if folder.name == "flux" and target == "feed-forward":
        for number in (0, 1):
            assert {f"single_transformer_blocks.{number}.{end}" for end in ("proj_mlp", "proj_out")} <= layers


@pytest.mark.parametrize("adapter", ["dora", "rslora", "lokr", "oft"])
def test_an_adapter_that_was_written_answers_as_it_did(
    folder: Path, adapter: Adapter, tmp_path: Path
) -> None:
    recipe = make_recipe(folder, adapter)
    learned, loaded = open_base(folder, PLAN), open_base(folder, PLAN)
    noisy, times, prompts = (
        noisy_latents(learned, 2),
        torch.tensor([300, 900]),
        learned.encode_prompt(PROMPTS),
    )
    with torch.no_grad():
        before = learned.predict(noisy, times, prompts)
        weights = add_adapter(learned, recipe)
        for number, weight in enumerate(weights.values()):
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)))
        expected = learned.predict(noisy, times, prompts)
        write_adapter(weights, recipe, learned.denoiser_part, {}, tmp_path)
        load_adapter(loaded, recipe, tmp_path)
        assert torch.allclose(loaded.predict(noisy, times, prompts), expected, atol=1e-4)
    assert not torch.allclose(expected, before, atol=1e-2)


@pytest.mark.parametrize("targets", [("attention",), ("feed-forward",), ("attention", "feed-forward")])
def test_diffusers_reads_kohyas_form_at_fluxs_true_width(targets: tuple[str, ...]) -> None:
    """Each layer's change comes back the same, and nothing is added where nothing was adapted."""
    ends = {
        "attention": ("attn.to_q", "attn.to_k", "attn.to_v"),
        "feed-forward": ("proj_mlp", "proj_out"),
    }
    shapes = {"proj_mlp": (3072, 12288), "proj_out": (15360, 3072)}
    generator = torch.Generator().manual_seed(0)
    tensors: dict[str, Tensor] = {}
    for end in (end for target in targets for end in ends[target]):
        wide, high = shapes.get(end, (3072, 3072))
        layer = f"transformer.single_transformer_blocks.37.{end}"
        tensors[f"{layer}.lora_A.weight"] = torch.randn(2, wide, generator=generator)
        tensors[f"{layer}.lora_B.weight"] = torch.randn(high, 2, generator=generator)
    found = _convert_kohya_flux_lora_to_diffusers(to_kohya(tensors, "flux"))
    assert tensors.keys() <= found.keys()
    probe = torch.randn(15360, generator=generator)
    for name in (name for name in found if name.endswith(".lora_A.weight")):
        up = name.replace("lora_A", "lora_B")
        change = found[up] @ (found[name] @ probe[: found[name].shape[1]])
        if name in tensors:
            expected = tensors[up] @ (tensors[name] @ probe[: tensors[name].shape[1]])
            assert torch.allclose(change, expected, rtol=1e-4, atol=1e-2)
        else:
            assert change.abs().max() == 0
