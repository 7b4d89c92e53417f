"""Learning in two processes, as torchrun and accelerate start them, against one."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from accelerate import PartialState
from PIL import Image
from torch import distributed

from tests.bases.toys import make_toy
from tests.methods.launching import ACCELERATE, TORCHRUN, launch
from tests.methods.learning_in_turns import LAST
from tests.methods.learning_large import METHODS, learn_each
from tests.toy_character import make_character
from understudy.cli import run_command
from understudy.comparisons.compare import compare
from understudy.domain import UserError
from understudy.methods import learn_together
from understudy.methods.computing.processes import LONGEST_WAIT, FollowingRun, copied, joining
from understudy.recipes import DreamBoothLora
from understudy.runs import LOG_FILE, STATE_FILE, Run, open_run

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


@pytest.fixture(scope="module")
def alone(asked: list[str], toy_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What one process learns in 20 steps."""
    run = tmp_path_factory.mktemp("alone") / "1"
    assert run_command([*asked, "--base", str(toy_base), "--run", str(run), "--steps", "20"]) == 0
    return open_run(run)


@pytest.fixture(scope="module")
def klein(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flow, whose words are read in chats."""
    return make_toy("flux2", tmp_path_factory.mktemp("bases") / "klein")


@pytest.fixture(scope="module")
def by_two(asked: list[str], toy_base: Path, klein: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what two processes of `accelerate launch` learn, which take long to begin, one after
    another: a run of 10 steps whose denoiser they share, and each method on a large family."""
    folder = tmp_path_factory.mktemp("two")
    shards = [*asked, "--offload", "shards", "--steps", "10"]
    done = launch(ACCELERATE, "learning_shared", [str(toy_base), str(klein), str(folder), *shards])
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Learning in 2 processes") == 1
    return folder


def assert_same(two: Run, one: Run) -> None:
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    for name, weight in weights(one).items():
        assert torch.allclose(weights(two)[name], weight, atol=1e-4), name


def weights(run: Run) -> dict[str, torch.Tensor]:
    newest = run.newest_state()
    assert newest is not None
    return safetensors.torch.load_file(newest.folder / STATE_FILE)


def losses(run: Run) -> list[float]:
    lines = [json.loads(line) for line in (run.folder / LOG_FILE).read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def test_two_learn_what_one_learns_run_after_run(
    asked: list[str], alone: Run, toy_base: Path, tmp_path: Path
) -> None:
    done = launch(TORCHRUN, "learning_in_turns", ["--", str(toy_base), str(tmp_path), *asked])
    assert done.returncode == 0, done.stderr
    # Each time both, of whom one speaks.
    assert done.stderr.count("Learning in 2 processes") == 3
    assert done.stderr.count("Learned. Now draw") == 3
    assert_same(open_run(tmp_path / "2"), alone)
    assert len(losses(alone)) == 2
    stopped = open_run(tmp_path / "stopped").newest_state()
    assert stopped is not None
    assert stopped.step == LAST


def test_two_that_share_the_denoiser_learn_it_too_and_one_goes_on(
    asked: list[str], alone: Run, toy_base: Path, by_two: Path
) -> None:
    run = by_two / "shared"
    assert open_run(run).manifest.plan.offload == "shards"
    shards = [*asked, "--offload", "shards"]
    assert run_command([*shards, "--base", str(toy_base), "--run", str(run), "--steps", "20"]) == 0
    assert_same(open_run(run), alone)
    half = open_run(by_two / "half").newest_state()
    assert half is not None
    assert half.step == 1


def test_two_learn_what_one_learns_on_a_large_family(by_two: Path, klein: Path, tmp_path: Path) -> None:
    """A batch of three is parted unequally."""
    learn_each(klein, tmp_path)
    for method in METHODS:
        one, two = open_run(tmp_path / method), open_run(by_two / method)
        assert len(losses(one)) == 1
        assert_same(two, one)


def test_there_is_nobody_to_share_the_denoiser_with(
    asked: list[str], toy_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = [*asked, "--base", str(toy_base), "--run", str(tmp_path / "run"), "--offload", "shards"]
    assert run_command(alone) == 2
    assert "start them with accelerate launch" in capsys.readouterr().err


def test_processes_that_mpirun_starts_know_each_other(tmp_path: Path) -> None:
    """As `accelerate launch` starts them for several CPUs; which MPI there is decides the names only."""
    mpirun = tmp_path / "mpirun"
    mpirun.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.methods.stand_in_mpirun "$@"\n')
    mpirun.chmod(0o755)
    (tmp_path / "hosts").write_text("localhost slots=2\n")
    cpus = ["--cpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    cpus += ["--dynamo_backend", "no", "--mpirun_hostfile", str(tmp_path / "hosts")]
    cpus += ["--main_process_port", str(_free_port()), "--module"]
    paths = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = launch(["accelerate.commands.launch", *cpus], "joined", [], paths)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["0 of 2, 2, True", "1 of 2, 2, False"]


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return int(listening.getsockname()[1])


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
        newest = copy.newest_state()
        assert newest is not None
        assert copy.save(4, lambda folder: pytest.fail("written"), True).step == 4
        assert copy.newest_state() == newest
        assert [one.step for one in copy.checkpoints()] == [newest.step] == [3]
