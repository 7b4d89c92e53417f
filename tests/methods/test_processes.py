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
from PIL import Image

from tests.toy_character import make_character
from understudy.runs import LOG_FILE, STATE_FILE, Run, open_run

KNOBS = ["--steps", "20", "--batch", "4", "--accumulation", "2", "--rank", "4", "--views", "2"]
KNOBS += ["--prior-pictures", "2", "--prior-steps", "1", "--snapshot-every", "10", "--pull", "0.1"]


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawings")
    for drawing in make_character().drawings:
        Image.fromarray(drawing.pixels).save(folder / drawing.path.name)
    return folder


def launch(count: int, drawings: Path, base: Path, run: Path, *more: str) -> subprocess.CompletedProcess[str]:
    # What `accelerate launch --multi_gpu` calls, which itself starts but one process on CPUs.
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count), "--module"]
    verb = [
        "understudy.cli",
        *(["--"] if count > 1 else []),
        "learn",
        str(drawings),
        "--name",
        "Pip",
        "--noun",
        "girl",
        "--run",
        str(run),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, *(launcher if count > 1 else ["-m"]), *verb, "--base", str(base), *KNOBS, *more],
        env=environment,
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


def test_two_learn_what_one_learns_and_go_on(drawings: Path, toy_base: Path, tmp_path: Path) -> None:
    for count in (1, 2):
        done = launch(count, drawings, toy_base, tmp_path / str(count))
        assert done.returncode == 0, done.stderr
        assert ("Learning in 2 processes" in done.stderr) == (count == 2)
    one, two = open_run(tmp_path / "1"), open_run(tmp_path / "2")
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    for name, weight in weights(one).items():
        assert torch.allclose(weights(two)[name], weight, atol=1e-4), name
    longer = launch(2, drawings, toy_base, tmp_path / "2", "--steps", "30")
    assert longer.returncode == 0, longer.stderr
    newest = two.newest()
    assert newest is not None
    assert newest.step == 30
    again = launch(2, drawings, toy_base, tmp_path / "2", "--steps", "30")
    assert again.returncode == 0, again.stderr


def test_what_cannot_be_shared_is_refused_once(drawings: Path, toy_base: Path, tmp_path: Path) -> None:
    refused = launch(2, drawings, toy_base, tmp_path / "run", "--batch", "1")
    assert refused.returncode != 0
    assert refused.stderr.count("raise --batch") == 1
