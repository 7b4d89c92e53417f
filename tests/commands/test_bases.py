"""understudy bases, end to end: the table, the JSON, and what is said on which machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from tests.commands.calling import mistake
from understudy.bases.choosing import machine
from understudy.bases.choosing.known import KNOWN
from understudy.bases.choosing.machine import Gpu
from understudy.cli import run_command


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    return cache


def on(monkeypatch: pytest.MonkeyPatch, gpu: Gpu | None) -> None:
    monkeypatch.setattr(machine, "find_gpu", lambda: gpu)


def test_table_names_every_base_its_licence_and_its_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on(monkeypatch, None)
    assert run_command(["bases"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    for base in KNOWN:
        said = [line for line in lines if line.split()[:1] in ([base.name], [f"{base.name}*"])]
        assert len(said) == 2, base.name
        assert base.repository in said[0]
        assert base.licence.name in said[1]
        assert said[1].split()[0].endswith("*") == bool(base.gated)
    assert "FLUX [dev] Non-Commercial   no " in out  # brackets are no markup
    assert "below $1M a year" in out
    assert "learns here" not in out
    assert lines[-1].startswith("There is no CUDA graphics card here: puppet learns on the processor.")
    assert "Tesla T4" in lines[-1]


def test_table_on_a_card_says_how_each_base_fits_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on(monkeypatch, Gpu("RTX 4070", 11.99, True))
    assert run_command(["bases"]) == 0
    out = capsys.readouterr().out
    [qwen] = [line for line in out.splitlines() if line.strip().startswith("qwen ") and " 57.7 " in line]
    [sdxl] = [line for line in out.splitlines() if line.strip().startswith("sdxl") and " 6.9 " in line]
    assert qwen.split()[-2:] == ["bf16,", "no"]  # how blocks come is on the next lines
    assert sdxl.split()[-2:] == ["bf16", "bf16"]
    assert out.splitlines()[-1] == "Advised on this RTX 4070 (12.0 GiB): klein (bf16, checkpointing)."


def test_json_has_all_figures_and_what_is_on_the_disk(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], empty_cache: Path
) -> None:
    on(monkeypatch, Gpu("RTX 4070", 11.99, True))
    folder = empty_cache / "models--stable-diffusion-v1-5--stable-diffusion-v1-5"
    snapshot = folder / "snapshots" / "0123"
    (snapshot / "unet").mkdir(parents=True)
    (snapshot / "unet" / "diffusion_pytorch_model.safetensors").touch()
    (snapshot / "model_index.json").write_text(json.dumps({"unet": ["diffusers", "UNet2DConditionModel"]}))
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0123")
    assert run_command(["bases", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    found = {one["name"]: one for one in json.loads(out)}
    assert list(found) == [base.name for base in KNOWN]
    assert [name for name, one in found.items() if one["is_advised"]] == ["klein"]
    sdxl = found["sdxl"]
    assert sdxl["repository"] == "stabilityai/stable-diffusion-xl-base-1.0"
    assert sdxl["commercial"] == "yes"
    assert sdxl["forecast_gib_to_learn"]["bf16, checkpointing"] == pytest.approx(5.6, abs=0.1)
    assert sdxl["learns_here"] == "bf16"
    assert sdxl["folder"] is None
    assert found["sd15"]["folder"] == str(snapshot)
    assert found["klein"]["gated"] is None
    assert found["klein-fast"]["forecast_gib_to_learn"] == {}
    assert found["klein-fast"]["learns_here"] == "no"
    on(monkeypatch, None)
    assert run_command(["bases", "--json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert [name for name, one in found.items() if one["learns_here"] == "on the processor"] == ["puppet"]
    assert found["puppet"]["is_advised"]


def test_help_says_what_else_can_be_a_base(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["bases", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "repository of the Hub, a folder or a .safetensors file" in text


def test_a_card_that_is_full_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(machine, "find_gpu", full)
    assert "too little free memory" in mistake(capsys, "bases")
