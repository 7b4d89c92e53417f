"""SDXL's own autoencoder overflows in half precision: that which does not is taken in its place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.bases.toys import make_toy
from understudy.bases import opening
from understudy.bases.fetching.fetch import find_better_vae
from understudy.bases.opening import open_base
from understudy.domain import UserError
from understudy.hub import Hub
from understudy.runs import Plan

COMMIT = "0" * 40


def in_cache(cache: Path, repository: str, source: Path) -> Path:
    """The files of `source` as the Hub's library keeps a repository."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    shutil.copytree(source, snapshot)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    return snapshot


def test_it_is_taken_in_half_precision_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = make_toy("sdxl", tmp_path / "toy")
    other = tmp_path / "vae"
    shutil.copytree(toy / "vae", other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "scaling_factor": 0.5}))
    hub = Hub(cache=tmp_path / "cache")
    base = in_cache(hub.folder, "stabilityai/stable-diffusion-xl-base-1.0", toy)
    assert find_better_vae(base, hub) is None
    better = in_cache(hub.folder, "madebyollin/sdxl-vae-fp16-fix", other)
    assert find_better_vae(base, hub) == better
    assert find_better_vae(toy, hub) is None
    monkeypatch.setattr(opening, "find_better_vae", lambda folder: find_better_vae(folder, hub))
    half = open_base(base, Plan(device="cpu", precision="bf16", threads=1))
    assert (half.pipe.vae.config.scaling_factor, half.pipe.vae.dtype) == (0.5, torch.bfloat16)
    (better / "diffusion_pytorch_model.safetensors").unlink()
    (better / "diffusion_pytorch_model.safetensors").write_bytes(b"damaged")
    monkeypatch.setattr(opening, "find_better_vae", lambda folder: better)
    with pytest.raises(UserError, match=r"its autoencoder in .* cannot be loaded"):
        open_base(base, Plan(device="cpu", precision="bf16", threads=1))
    exact = open_base(base, Plan(device="cpu", precision="fp32", threads=1))
    assert exact.pipe.vae.config.scaling_factor != 0.5
