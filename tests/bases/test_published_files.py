"""Bases in one file as they are published: what is opened has the very weights of diffusers' folder."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders import single_file_utils
from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.bases.published_denoisers import LAYERS, to_published
from tests.bases.test_families import PLAN
from tests.bases.toy_flux import INNER
from tests.bases.toys import at_toy_size, make_toy
from understudy.bases.choosing.known import KNOWN, KnownBase
from understudy.bases.fetching import converting
from understudy.bases.fetching.converting import open_single_file
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.hub import Hub

UNREACHABLE = "http://127.0.0.1:9"
WIDTH_OF_FLUX = "inner_dim = 3072"
BESIDE = {"vae.decoder.conv_in.weight": torch.zeros(1), "text_encoders.t5xxl.logit_scale": torch.zeros(1)}
"""What all-in-one files of ComfyUI's also have."""


def known(family: Family) -> KnownBase:
    return next(one for one in KNOWN if one.family == family and one.repository)


@pytest.fixture
def flux_at_toy_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """diffusers' reader of such files has FLUX.1's own width written into it: the toy's in its place."""
    source = inspect.getsource(single_file_utils.convert_flux_transformer_checkpoint_to_diffusers)
    assert WIDTH_OF_FLUX in source
    names: dict[str, Any] = dict(vars(single_file_utils))
    exec(source.replace(WIDTH_OF_FLUX, f"inner_dim = {INNER}"), names)
    read = names["convert_flux_transformer_checkpoint_to_diffusers"]
    monkeypatch.setitem(SINGLE_FILE_LOADABLE_CLASSES["FluxTransformer2DModel"], "checkpoint_mapping_fn", read)


def denoiser_of(folder: Path) -> dict[str, Tensor]:
    [path] = (folder / "transformer").glob("*.safetensors")
    return load_file(path)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that opens a file as one of a family whose toy, with other weights, is on the disk."""

    def open_as(family: Family, tensors: dict[str, Tensor]) -> Path:
        toy = make_toy(family, tmp_path / "own")
        monkeypatch.setattr(converting, "recognise", lambda path: known(family))
        monkeypatch.setattr(converting, "fetch_base", lambda name, notify, hub: toy)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "a.safetensors")
        return open_single_file(tmp_path / "a.safetensors", hub=Hub(UNREACHABLE, tmp_path / "hub"))

    return open_as


@pytest.mark.usefixtures("flux_at_toy_size")
@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."], ids=["bare", "all-in-one"])
@pytest.mark.parametrize("family", LAYERS)
def test_a_denoiser_in_published_names(family: Family, prefix: str, opened: Any, tmp_path: Path) -> None:
    tuned = denoiser_of(make_toy(family, tmp_path / "tuned", seed=1))
    published = to_published(family, tuned)
    assert family == "qwen" or len(published.keys() & tuned.keys()) < len(published)
    beside = BESIDE if prefix else {}
    folder = opened(family, {prefix + name: tensor for name, tensor in published.items()} | beside)
    found = denoiser_of(folder)
    assert found.keys() == tuned.keys()
    assert all(torch.equal(found[name], tuned[name]) for name in tuned)
    with at_toy_size():
        assert open_base(folder, PLAN).size_px == 32


def test_one_in_fp8_without_scales_is_kept_in_bf16(opened: Any, tmp_path: Path) -> None:
    tuned = denoiser_of(make_toy("qwen", tmp_path / "tuned", seed=1))
    small = {name: tensor.to(torch.float8_e4m3fn) for name, tensor in tuned.items()}
    found = denoiser_of(opened("qwen", small))
    assert {tensor.dtype for tensor in found.values()} == {torch.bfloat16}
    assert all(torch.equal(found[name], small[name].bfloat16()) for name in small)
