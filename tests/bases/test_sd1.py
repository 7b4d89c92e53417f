from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from tests.toy_base import make_toy_base
from understudy.bases.base import Base
from understudy.bases.catalog import find_base, hash_base
from understudy.bases.objectives import Eps, Velocity
from understudy.bases.opening import open_base
from understudy.domain import UserError
from understudy.runs import Plan

PLAN = Plan(device="cpu", precision="fp32", threads=1)


@pytest.fixture(scope="module")
def base(toy_base: Path) -> Base:
    return open_base(toy_base, PLAN)


def test_sizes_come_from_the_configs(base: Base) -> None:
    assert base.size_px == 32
    latents = base.encode_image(torch.zeros(2, 3, 32, 32))
    assert latents.mean.shape == latents.std.shape == (2, 4, 8, 8)
    assert (latents.std > 0).all()


def test_prompts_are_read_as_the_pipeline_reads_them(base: Base) -> None:
    together = base.encode_prompt(["a picture of Pip", ""])["hidden"]
    assert together.shape == (2, 40, 32)
    expected = base.pipe.encode_prompt("a picture of Pip", "cpu", 1, False)[0]
    assert torch.allclose(together[:1], expected, atol=1e-6)


def test_a_prompt_is_cut_where_the_base_stops_reading(base: Base) -> None:
    assert base.readable_part("a picture of Pip") == "a picture of Pip"
    part = base.readable_part("x" * 100)
    assert 0 < len(part.replace(" ", "")) < 40


def test_predicts_in_the_shape_of_the_latents(base: Base) -> None:
    noisy = torch.randn(2, 4, 8, 8)
    answer = base.predict(noisy, torch.tensor([0, 999]), base.encode_prompt(["a", "b"]))
    assert answer.shape == noisy.shape
    assert answer.dtype == torch.float32


def test_nothing_is_trained_unasked(base: Base) -> None:
    parts = (base.pipe.unet, base.pipe.vae, base.pipe.text_encoder)
    assert not any(weight.requires_grad for part in parts for weight in part.parameters())


def test_weights_stored_in_half_precision_are_computed_in_full(toy_base: Path, tmp_path: Path) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(toy_base).to(torch.bfloat16)
    pipe.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list((tmp_path / "unet").glob("*.safetensors"))) > 1  # sharded, too
    opened = open_base(find_base(str(tmp_path)), PLAN).pipe
    for part in (opened.unet, opened.vae, opened.text_encoder):
        assert {weight.dtype for weight in part.parameters()} == {torch.float32}


def test_objective_is_the_one_of_the_base(base: Base, tmp_path: Path) -> None:
    assert isinstance(base.objective, Velocity)
    assert base.objective.alphas_cumprod[-1] < 1e-6
    eps = open_base(make_toy_base(tmp_path, "epsilon"), PLAN)
    assert isinstance(eps.objective, Eps)


def test_no_base_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no base 'nowhere'"):
        find_base("nowhere")
    with pytest.raises(UserError, match="layout"):
        find_base(str(tmp_path))


def test_other_layouts_are_a_mistake(toy_base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(toy_base, folder)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    with pytest.raises(UserError, match="layout"):
        find_base(str(folder))


def test_other_classes_are_a_mistake(toy_base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(toy_base, folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["vae"] = ["diffusers", "AutoencoderTiny"]
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match="another vae"):
        find_base(str(folder))


def test_pickled_weights_are_a_mistake(toy_base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(toy_base, folder)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").rename(
        folder / "unet" / "diffusion_pytorch_model.bin"
    )
    with pytest.raises(UserError, match=r"no weights as \.safetensors"):
        find_base(str(folder))


def test_a_damaged_base_gets_a_sentence(toy_base: Path, tmp_path: Path) -> None:
    kept = tmp_path / "models--somebody--toy"
    for folder, again in (
        (tmp_path / "damaged", "get it again."),
        (
            kept / "snapshots" / "0123",
            f"remove {kept} and give the same command again, which fetches it anew.",
        ),
    ):
        shutil.copytree(toy_base, folder)
        (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"half")
        with pytest.raises(UserError, match="cannot be loaded") as mistake:
            open_base(find_base(str(folder)), PLAN)
        assert "\n" not in str(mistake.value)
        assert str(mistake.value).endswith(again)


def test_hash_tells_bases_apart_and_forgives_a_note(toy_base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(toy_base, folder)
    (folder / "README.md").write_text("a model card")
    assert hash_base(folder) == hash_base(toy_base)
    assert hash_base(make_toy_base(tmp_path / "new", seed=1)) != hash_base(toy_base)
