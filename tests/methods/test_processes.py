"""Learning in two processes, as torchrun starts them, against one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from accelerate import PartialState
from PIL import Image
from torch import distributed

from tests.methods.learning_in_turns import LAST
from tests.toy_character import make_character
from understudy.cli import run_command
from understudy.comparisons.compare import compare
from understudy.domain import UserError
from understudy.methods import learn_together
from understudy.methods.computing.processes import LONGEST_WAIT, FollowingRun, copied, joining
from understudy.recipes import DreamBoothLora
from understudy.runs import LOG_FILE, STATE_FILE, Run, open_run

ROOT = Path(__file__).parents[2]
KNOBS = ["--name", "Pip", "--noun", "girl", "--batch", "4", "--accumulation", "2", "--rank", "4"]
KNOBS += ["--views", "2", "--prior-pictures", "2", "--prior-steps", "1", "--snapshot-every", "10"]
KNOBS += ["--pull", "0.1"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command but for its base, its run and its steps."""
    folder = tmp_path_factory.mktemp("drawings")
    for drawing in make_character().drawings:
        Image.fromarray(drawing.pixels).save(folder / drawing.path.name)
    return ["learn", str(folder), *KNOBS]


def launch(base: Path, folder: Path, asked: list[str]) -> subprocess.CompletedProcess[str]:
    # What `accelerate launch --multi_gpu` calls, which itself starts but one process on CPUs.
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--module"]
    turns = ["tests.methods.learning_in_turns", "--", str(base), str(folder), *asked]
    return subprocess.run(
        [sys.executable, "-m", *launcher, *turns],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def weights(run: Run) -> dict[str, torch.Tensor]:
    newest = run.newest_state()
    assert newest is not None
    return safetensors.torch.load_file(newest.folder / STATE_FILE)


def losses(run: Run) -> list[float]:
    lines = [json.loads(line) for line in (run.folder / LOG_FILE).read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def test_two_learn_what_one_learns_run_after_run(asked: list[str], toy_base: Path, tmp_path: Path) -> None:
    alone = [*asked, "--base", str(toy_base), "--run", str(tmp_path / "1"), "--steps", "30"]
    assert run_command(alone) == 0
    done = launch(toy_base, tmp_path, asked)
    assert done.returncode == 0, done.stderr
    # Each time both, of whom one speaks.
    assert done.stderr.count("Learning in 2 processes") == 3
    assert done.stderr.count("Learned. Now draw") == 3
    one, two = open_run(tmp_path / "1"), open_run(tmp_path / "2")
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    assert len(losses(two)) == 3
    for name, weight in weights(one).items():
        assert torch.allclose(weights(two)[name], weight, atol=1e-4), name
    stopped = open_run(tmp_path / "stopped").newest_state()
    assert stopped is not None
    assert stopped.step == LAST


@pytest.mark.parametrize("number", [0, 1])
def test_what_cannot_be_shared_is_refused_once(
    number: int,
    asked: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", str(number))
    assert run_command([*asked, "--run", str(tmp_path / "run"), "--batch", "1"]) == 2
    assert capsys.readouterr().err.count("raise --batch") == (number == 0)


def test_several_runs_at_once_want_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    recipes = {tmp_path / str(seed): DreamBoothLora(seed=seed) for seed in (1, 2)}
    with pytest.raises(UserError, match="leave accelerate launch out"):
        learn_together(make_character(), recipes)
    with pytest.raises(UserError, match="leave accelerate launch out"):
        compare(tmp_path / "none.toml", tmp_path / "out")


def test_they_wait_longer_than_class_pictures_take(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, object] = {}

    def join(backend: str, **how: object) -> None:
        told.update(how)
        raise InterruptedError

    monkeypatch.setattr(distributed, "init_process_group", join)
    monkeypatch.setattr(PartialState, "_shared_state", {})
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "1")
    with pytest.raises(InterruptedError), joining(DreamBoothLora(), "cpu"):
        pass
    assert told["timeout"] == LONGEST_WAIT


def test_those_that_follow_keep_nothing(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        (folder / STATE_FILE).write_bytes(b"as it was")

    Run(tmp_path).save(3, write, True)
    with copied(tmp_path) as copy:
        assert isinstance(copy, FollowingRun)
        assert [one.step for one in copy.states()] == [3]
        assert copy.save(4, lambda folder: pytest.fail("written"), True).step == 4
        assert [one.step for one in copy.states()] == [3]
