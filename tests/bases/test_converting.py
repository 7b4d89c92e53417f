"""One file to a folder in diffusers' layout, with the real classes at toy size and no network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    FluxTransformer2DModel,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from safetensors.torch import load_file, save_file

from tests.bases.test_families import PLAN
from tests.bases.toys import make_toy
from tests.fake_hub import FakeHub, serving
from tests.original_layout import to_original, to_original_xl
from tests.toy_base import make_toy_base
from understudy.bases.choosing.known import KnownBase, find_known
from understudy.bases.fetching import converting
from understudy.bases.fetching.converting import open_single_file
from understudy.bases.fetching.fetch import fetch_base
from understudy.bases.fetching.needed_files import what_is_missing
from understudy.bases.opening import open_base
from understudy.domain import UserError
from understudy.events import Event, Note
from understudy.hub import Hub

UNREACHABLE = "http://127.0.0.1:9"


def known(name: str) -> KnownBase:
    found = find_known(name)
    assert found is not None
    return found


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Stable Diffusion 1.5's own layers at toy size, predicting noise as it does."""
    return make_toy_base(tmp_path / "toy", "epsilon", addition=None)


@pytest.fixture
def hub(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub whose Stable Diffusion 1.5 is the toy; files of toy size are taken for it."""
    monkeypatch.setattr(converting, "recognise", lambda path: known("sd15"))
    files = {path.relative_to(toy).as_posix(): path.read_bytes() for path in toy.rglob("*") if path.is_file()}
    with serving(FakeHub({known("sd15").repository: files})) as fake:
        yield Hub(fake.url, tmp_path / "cache" / "hub")


def write_single(toy: Path, path: Path, dtype: torch.dtype = torch.float32, *marks: str) -> Path:
    pipe = StableDiffusionPipeline.from_pretrained(toy, safety_checker=None)
    weights = {name: value.to(dtype) for name, value in to_original(pipe).items()}
    save_file(weights | {mark: torch.tensor([]) for mark in marks}, path)
    return path


def test_stable_diffusion_in_one_file_becomes_the_same_pipeline(toy: Path, hub: Hub, tmp_path: Path) -> None:
    path = write_single(toy, tmp_path / "from civitai.safetensors")
    events: list[Event] = []
    folder = open_single_file(path, notify=events.append, hub=hub)
    assert what_is_missing(folder) == ""
    assert folder.name.startswith("from civitai-")
    assert any(isinstance(event, Note) and "done once" in event.text for event in events)
    assert fetch_base(str(path), hub=hub) == folder
    for part in ("unet", "vae", "text_encoder"):
        [mine] = (toy / part).glob("*.safetensors")
        [made] = (folder / part).glob("*.safetensors")
        before, after = load_file(mine), load_file(made)
        assert set(before) == set(after), part
        assert all(torch.equal(before[name], after[name]) for name in before), part
    for file in ("scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"):
        assert (folder / file).is_file()
    drawn = [
        StableDiffusionPipeline.from_pretrained(place, safety_checker=None)(
            "abc", num_inference_steps=2, generator=torch.Generator().manual_seed(0), output_type="np"
        ).images
        for place in (toy, folder)
    ]
    assert (drawn[0] == drawn[1]).all()


def test_sdxl_in_one_file_becomes_the_same_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Civitai: both readers, the second one in OpenCLIP's names."""
    tuned, own = make_toy("sdxl", tmp_path / "tuned", seed=1), make_toy("sdxl", tmp_path / "own")
    path = tmp_path / "from civitai.safetensors"
    save_file(to_original_xl(StableDiffusionXLPipeline.from_pretrained(tuned)), path)
    monkeypatch.setattr(converting, "recognise", lambda path: known("sdxl"))
    monkeypatch.setattr(converting, "fetch_texts", lambda known, notify, hub: own)
    folder = open_single_file(path, hub=Hub(UNREACHABLE, tmp_path / "hub"))
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        [mine], [made] = ((one / part).glob("*.safetensors") for one in (tuned, folder))
        before, after = load_file(mine), load_file(made)
        assert set(before) == set(after), part
        assert all(torch.equal(before[name], after[name]) for name in before), part
    assert open_base(folder, PLAN).size_px == 32


def test_it_is_made_once_and_then_found_without_the_hub(toy: Path, hub: Hub, tmp_path: Path) -> None:
    path = write_single(toy, tmp_path / "a.safetensors", torch.float16)
    folder = open_single_file(path, hub=hub)
    [weights] = (folder / "unet").glob("*.safetensors")
    assert {value.dtype for value in load_file(weights).values()} == {torch.float16}
    assert open_single_file(path, "sd1", hub=replace(hub, endpoint=UNREACHABLE)) == folder
    write_single(toy, path)
    assert open_single_file(path, hub=replace(hub, endpoint=UNREACHABLE)) != folder
    assert len(list(folder.parent.iterdir())) == 2


def test_marks_of_velocity_and_pure_noise_change_the_schedule(toy: Path, hub: Hub, tmp_path: Path) -> None:
    for marks, prediction, from_pure_noise in (
        ((), "epsilon", False),
        (("v_pred",), "v_prediction", False),
        (("v_pred", "ztsnr"), "v_prediction", True),
    ):
        path = write_single(toy, tmp_path / f"{len(marks)}.safetensors", torch.float32, *marks)
        folder = open_single_file(path, hub=hub)
        config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
        assert config["prediction_type"] == prediction
        assert config["rescale_betas_zero_snr"] == from_pure_noise


def test_what_goes_wrong_is_one_sentence_and_leaves_nothing(toy: Path, hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_single(toy, path)
    with pytest.raises(UserError, match="is a base of the family sd1, not sdxl: give another file"):
        open_single_file(path, "sdxl", hub=hub)
    with pytest.raises(UserError, match="The Hub cannot be reached"):
        open_single_file(path, hub=replace(hub, endpoint=UNREACHABLE))
    weights = load_file(path)
    weights["model.diffusion_model.out.2.weight"] = torch.zeros(1, 2, 3, 4)
    save_file(weights, path)
    with pytest.raises(UserError, match="cannot be read as a base"):
        open_single_file(path, hub=hub)
    made = hub.folder.parent / "understudy"
    assert not made.exists() or not list(made.iterdir())


def test_of_a_transformer_only_the_denoiser_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is the base's own: linked, so that no gigabytes are copied."""
    base = tmp_path / "flux"
    shape = {"num_layers": 1, "num_single_layers": 1, "num_attention_heads": 2, "attention_head_dim": 16}
    more = {"joint_attention_dim": 32, "pooled_projection_dim": 32, "axes_dims_rope": (4, 4, 8)}
    torch.manual_seed(0)
    denoiser = FluxTransformer2DModel(in_channels=16, **shape, **more)
    denoiser.save_pretrained(base / "transformer")
    AutoencoderKL(block_out_channels=(32,)).save_pretrained(base / "vae")
    index = {"transformer": ["diffusers", "FluxTransformer2DModel"], "vae": ["diffusers", "AutoencoderKL"]}
    (base / "model_index.json").write_text(json.dumps(index))
    monkeypatch.setattr(converting, "recognise", lambda path: known("flux"))
    monkeypatch.setattr(converting, "fetch_base", lambda name, notify, hub: base)
    other = {name: value + 1 for name, value in denoiser.state_dict().items()}
    save_file(other, tmp_path / "tuned.safetensors")
    folder = open_single_file(tmp_path / "tuned.safetensors", hub=Hub(UNREACHABLE, tmp_path / "hub"))
    assert what_is_missing(folder) == ""
    made = FluxTransformer2DModel.from_pretrained(folder / "transformer").state_dict()
    assert all(torch.equal(made[name], other[name]) for name in other)
    assert (folder / "vae").is_symlink()
