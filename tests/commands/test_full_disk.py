"""A full disk is one sentence: before the first step where that can be known, and whenever it fills up."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError

from tests.commands.calling import learn_arguments
from understudy.bases.choosing.known import find_known
from understudy.bases.fetching import converting
from understudy.bases.fetching.converting import open_single_file
from understudy.cli import run_command
from understudy.domain import UserError
from understudy.hub import Hub
from understudy.runs import STATE_FILE, open_run

Usage = namedtuple("Usage", "total used free")


def test_states_that_cannot_be_kept_are_refused_before_the_first_step(
    run: Path,
    drawings: Path,
    toy_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    newest = open_run(run).newest_state()
    assert newest is not None
    state = (newest.folder / STATE_FILE).stat().st_size
    free = 0
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10 * state, 0, free))
    for share, code in ((2.0, 2), (3.0, 0)):  # the two that are kept, and one that is being written
        free = int(share * state)
        assert run_command(learn_arguments(drawings, toy_base, tmp_path / str(share))) == code
        assert ("What the run keeps takes" in capsys.readouterr().err) == (code == 2)
    assert open_run(tmp_path / "2.0").newest() is None


@pytest.mark.parametrize(
    "failure",
    [
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        SafetensorError("Error while serializing: I/O error: Disk quota exceeded (os error 122)"),
        RuntimeError("[enforce fail] unexpected pos 64 vs 0: No space left on device"),
    ],
)
def test_a_disk_that_fills_up_while_learning_is_one_sentence(
    failure: Exception,
    drawings: Path,
    toy_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fill(*arguments: object) -> None:
        raise failure

    asked = learn_arguments(drawings, toy_base, tmp_path / "run")
    with monkeypatch.context() as full:
        full.setattr(safetensors.torch, "save_file", fill)
        assert run_command(asked) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "understudy: The disk is full: make room on it, and give the same command again."
    )
    assert run_command(asked) == 0


def test_a_file_is_not_made_a_base_where_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pony.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(9)}, file)
    monkeypatch.setattr(converting, "recognise", lambda path: find_known("sdxl"))
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(9e9, 9e9, 500_000_000))
    with pytest.raises(UserError, match=r"pony.safetensors needs 1\.0 GB, but only 0\.5 GB are free"):
        open_single_file(file, hub=Hub(None, tmp_path / "hub"))
