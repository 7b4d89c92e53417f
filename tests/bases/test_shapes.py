"""Bases that other tools know, by the shapes of the models as they were published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from tests.bases.toys import FAMILIES, make_toy
from tests.toy_character import make_character, make_recipe
from understudy.bases.catalog import INDEX_FILE
from understudy.bases.layouts import LAYOUTS, Family
from understudy.bases.shapes import find_shape
from understudy.exporting import export
from understudy.methods import learn

SD3 = {"joint_attention_dim": 4096, "attention_head_dim": 64, "sample_size": 128, "patch_size": 2}
FLUX = {
    "num_layers": 19,
    "num_single_layers": 38,
    "num_attention_heads": 24,
    "attention_head_dim": 128,
    "joint_attention_dim": 4096,
    "in_channels": 64,
}
FLUX2 = {"in_channels": 128, "attention_head_dim": 128, "guidance_embeds": False}
XL = {"block_out_channels": [320, 640, 1280], "cross_attention_dim": 2048, "in_channels": 4}


def write_folder(family: Family, config: dict[str, object], folder: Path) -> Path:
    """An index, empty parts and the denoiser's config."""
    layout = next(layout for layout in LAYOUTS if layout.family == family)
    kinds = {
        part: [library, kind.replace("*", "DDIMScheduler")] for part, (library, kind) in layout.parts.items()
    }
    for part in layout.parts:
        (folder / part).mkdir()
    (folder / INDEX_FILE).write_text(json.dumps({"_class_name": layout.pipeline, **kinds}))
    (folder / layout.denoiser / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("family", "config", "architecture"),
    [
        ("sdxl", XL, "stable-diffusion-xl-v1-base"),
        ("sd3", {**SD3, "num_layers": 24, "pos_embed_max_size": 384}, "stable-diffusion-3-5-medium"),
        ("sd3", {**SD3, "num_layers": 24, "pos_embed_max_size": 192}, "stable-diffusion-3-m"),
        ("sd3", {**SD3, "num_layers": 38, "pos_embed_max_size": 192}, "stable-diffusion-3-5-large"),
        ("flux", {**FLUX, "guidance_embeds": True}, "flux-1-dev"),
        ("flux", {**FLUX, "guidance_embeds": False}, "flux-1-schnell"),
        ("flux", {**FLUX, "guidance_embeds": True, "num_layers": 8}, None),
        ("kontext", {**FLUX, "guidance_embeds": True}, "Flux.1-dev"),
        ("flux2", {**FLUX2, "num_attention_heads": 24}, "Flux.2-klein-4b"),
        ("flux2", {**FLUX2, "num_attention_heads": 32}, "Flux.2-klein-9b"),
        ("flux2", {**FLUX2, "num_attention_heads": 2}, None),
        ("sdxl", {**XL, "in_channels": 9}, None),
    ],
)
def test_a_known_shape_has_its_name(
    family: Family, config: dict[str, object], architecture: str | None, tmp_path: Path
) -> None:
    known = find_shape(write_folder(family, config, tmp_path))
    assert (known.architecture if known else None) == architecture


@pytest.mark.parametrize("family", FAMILIES)
def test_a_toy_is_taken_for_none_of_them(family: Family, tmp_path: Path) -> None:
    assert find_shape(make_toy(family, tmp_path)) is None


def test_what_an_exported_file_says_of_a_flow(tmp_path: Path) -> None:
    """The specification's predictions are noise and velocity: it has no word for a flow."""
    recipe = make_recipe(make_toy("flux", tmp_path / "toy")).model_copy(
        update={"steps": 1, "prior_weight": 0.0, "resolution_px": 48}
    )
    (path,) = export(learn(make_character(1), recipe, tmp_path / "run"))
    with safe_open(path, "pt") as file:
        facts = file.metadata()
    assert "modelspec.prediction_type" not in facts
    assert facts["modelspec.resolution"] == "48x48"
    assert facts["modelspec.architecture"] == "understudy-toy/lora"
