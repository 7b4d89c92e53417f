"""understudy plan, end to end: what fits a card that is not here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.bases.toys import make_toy
from tests.bases.true_shapes import write_sdxl
from understudy.bases.choosing.known import KnownBase, find_known
from understudy.bases.fetching import fetch
from understudy.cli import run_command
from understudy.domain import UserError
from understudy.events import Notify
from understudy.hub import Hub


@pytest.fixture(autouse=True)
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_the_table_goes_from_the_fastest_to_the_most_frugal(
    toy_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["plan", "--base", str(toy_base), "--batch", "2"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.partition("GiB  ")[2] for line in lines] == [
        "bf16, its step captured as a CUDA graph",
        "bf16",
        "bf16, checkpointing segments",
        "bf16, checkpointing whole",
        "bf16, the base in int8 by bitsandbytes",
        "bf16, the base in int8 by bitsandbytes, checkpointing segments",
        "bf16, the base in int8 by bitsandbytes, checkpointing whole",
        "bf16, the base in nf4 by bitsandbytes",
        "bf16, the base in nf4 by bitsandbytes, checkpointing segments",
        "bf16, the base in nf4 by bitsandbytes, checkpointing whole",
        "bf16, checkpointing whole, blocks fetched when they compute",
    ]
    assert not any(line.startswith("*") for line in lines)
    assert "--memory-gib" in err


def test_captured_steps_are_listed_as_learning_takes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_toy("sdxl", tmp_path / "sdxl")
    for weights in folder.rglob("*.safetensors"):  # what is not there yet is taken for large
        weights.unlink()
    monkeypatch.setattr(fetch, "fetch_texts", lambda known, notify, hub: folder)
    asked = ["plan", "--base", "sdxl", "--quantization", "none", "--offload", "encoders"]

    def list_plans(*knobs: str) -> list[str]:
        assert run_command([*asked, *knobs]) == 0
        return [line.partition("GiB  ")[2] for line in capsys.readouterr().out.splitlines()]

    plain = ["bf16", "bf16, checkpointing segments", "bf16, checkpointing whole"]
    assert list_plans() == plain
    captured = [f"{plan}, its step captured as a CUDA graph" for plan in plain]
    both = [one for pair in zip(captured, plain, strict=True) for one in pair]
    assert list_plans("--cuda-graph", "yes") == both
    assert list_plans("--cuda-graph", "yes", "--accumulation", "2") == plain


def test_two_processes_can_share_the_denoiser(toy_base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["plan", "--base", str(toy_base), "--offload", "shards", "--checkpointing", "whole"]
    assert run_command([*asked, "--processes", "2"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("GiB  bf16, checkpointing whole, blocks shared between the processes")
    assert run_command(asked) == 2
    assert "accelerate launch" in capsys.readouterr().err


def test_an_8_gib_card_learns_sdxl_with_checkpointing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_sdxl(tmp_path / "sdxl")
    monkeypatch.setattr(fetch, "fetch_texts", lambda known, notify, hub: folder)
    asked = ["plan", "--base", "sdxl", "--memory-gib", "7.5", "--quantization", "none", "--json"]
    assert run_command(asked) == 0
    found = json.loads(capsys.readouterr().out)
    (taken,) = (row for row in found["mib"] if row["taken"])
    assert taken["plan"] == "bf16, checkpointing whole"
    assert taken["peak"] == pytest.approx(5.6 * 1024, rel=0.05)
    assert [row["fits"] for row in found["mib"]] == [False, False, True, True]


def test_a_card_that_is_too_small_is_told(toy_base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["plan", "--base", str(toy_base), "--memory-gib", "0.5", "--batch", "100000"]
    assert run_command(asked) == 0
    out, err = capsys.readouterr()
    assert "*" not in out
    assert err.count("\n") == 1
    assert "lower --resolution-px" in err


def test_what_is_asked_for_is_all_that_is_shown(toy_base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["plan", "--base", str(toy_base), "--checkpointing", "whole", "--quantization", "nf4"]
    assert run_command(asked) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert run_command(["plan", "--base", "puppet", "--offload", "everything"]) == 2
    assert "offload" in capsys.readouterr().err


def test_a_base_whose_configs_are_not_at_hand_has_kept_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(known: KnownBase, notify: Notify, hub: Hub) -> Path:
        raise UserError("The Hub cannot be reached: try again later.")

    monkeypatch.setattr(fetch, "fetch_texts", refuse)
    assert run_command(["plan", "--base", "flux", "--memory-gib", "24"]) == 0
    out, err = capsys.readouterr()
    known = find_known("flux")
    assert known is not None
    peaks = [float(line.lstrip("* ").split()[0]) for line in out.splitlines()]
    assert peaks == pytest.approx(known.size.learning_gib, abs=0.06)
    starred = [line.startswith("*") for line in out.splitlines()]
    assert sum(starred) == 1
    # As learning does, it keeps some of what is free in reserve: what just fills the card is passed over.
    full = peaks[starred.index(True)]
    assert run_command(["plan", "--base", "flux", "--memory-gib", str(full + 0.1)]) == 0
    assert not capsys.readouterr().out.splitlines()[starred.index(True)].startswith("*")
    assert "* is what learn would take with 24.0 GiB free." in err
    assert "Kept figures: a LoRA at 1024 pixels" in err
    assert "The Hub cannot be reached" in err
    assert run_command(["plan", "--base", "flux", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] is True
    # What the family cannot learn is said without its configs.
    assert run_command(["plan", "--base", "zimage", "--method", "textual-inversion"]) == 2
    assert "learns no new word" in capsys.readouterr().err
    # Of other knobs nothing is kept.
    assert run_command(["plan", "--base", "flux", "--batch", "2"]) == 2
    assert "The Hub cannot be reached" in capsys.readouterr().err
