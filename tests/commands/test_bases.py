"""understudy bases, end to end: the table, the JSON, and what is said on which machine."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from tests.commands.calling import mistake
from understudy.bases.choosing import machine
from understudy.bases.choosing.known import KNOWN
from understudy.bases.choosing.machine import Gpu
from understudy.cli import run_command

MEMORY_TO_DRAW = r" (\d+\.\d-\d+\.\d|below 0\.1) +(yes)?\s*$"
MEMORY = r" (\d+\.\d-\d+\.\d|below 0\.1) +" + MEMORY_TO_DRAW.lstrip()


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.delenv("COLUMNS", raising=False)
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
        # What someone wants to know who has no card yet.
        assert re.search(MEMORY if base.learns else MEMORY_TO_DRAW, said[1]), base.name
    assert "FLUX [dev] Non-Commercial  no " in out  # brackets are no markup
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
    for said in (
        "qwen bf16, checkpointing, blocks fetched bf16, layer by layer",
        "sdxl bf16 bf16",
        "flux-schnell no bf16, layer by layer",
        "sdxl CreativeML Open RAIL++-M yes 6.9 2.7-10.4 5.7-8.6",
    ):
        assert said in [" ".join(line.split()) for line in out.splitlines()]
    assert out.splitlines()[-1] == "Advised on this RTX 4070 (12.0 GiB): klein (bf16, checkpointing)."


@pytest.mark.parametrize("width", ["80", "100", "120"])
@pytest.mark.parametrize("gpu", [None, Gpu("RTX 4070", 11.99, True)], ids=["no card", "card"])
def test_on_a_narrow_terminal_no_name_is_broken(
    gpu: Gpu | None, width: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on(monkeypatch, gpu)
    for name, value in (("COLUMNS", width), ("TTY_COMPATIBLE", "1"), ("TERM", "xterm"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    assert run_command(["bases"]) == 0
    *lines, advice = re.sub("\x1b.*?m", "", capsys.readouterr().out).splitlines()
    assert advice.startswith("Advised on" if gpu else "There is no CUDA")
    assert max(len(line) for line in lines) <= int(width)
    words = Counter(word for line in lines for word in line.split())
    for base in KNOWN:
        assert words[base.name] + words[f"{base.name}*"] >= (3 if gpu else 2), base.name
        assert not base.repository or words[base.repository] == 1
        assert all(words[word] for word in base.licence.name.split())


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


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_a_card_that_is_full_is_one_sentence(
    error: RuntimeError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        raise error

    monkeypatch.setattr(machine, "find_gpu", full)
    assert "too little free memory" in mistake(capsys, "bases")
