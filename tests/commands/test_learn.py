"""`learn` and `sweep` end to end."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.commands.calling import learn_arguments, mistake
from understudy.bases.fetching import fetch
from understudy.cli import run_command
from understudy.domain import UserError
from understudy.hub import Hub, Listing


def test_learn_writes_a_run(run: Path, toy_base: Path) -> None:
    manifest = json.loads((run / "run.json").read_text())
    assert (manifest["name"], manifest["noun"], manifest["base"]) == ("Mo", "girl", str(toy_base))
    assert "rank = 2" in (run / "recipe.toml").read_text()
    assert sorted(path.name for path in (run / "drawings").iterdir()) == [
        "01.png",
        "02.png",
        "03.png",
        "captions.csv",
    ]


def test_learn_reads_the_rights_and_writes_what_it_cost(
    drawings: Path, toy_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(drawings, mine)
    (mine / "rights.toml").write_text('artist = "Zoe"\nlicence = "CC-BY-4.0"\n')
    arguments = learn_arguments(mine, toy_base, tmp_path / "run", steps=1)
    assert run_command([*arguments, "--grid-intensity", "0"]) == 0
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["rights"]["artist"] == "Zoe"
    assert manifest["rights"]["scope"] == "not stated"
    cost = json.loads((tmp_path / "run" / "footprint.json").read_text())
    assert cost["co2e_g"] == 0 < cost["energy_wh"]
    (mine / "rights.toml").write_text('artist = "Zoe"\nlicenze = "CC-BY-4.0"\n')
    assert "licenze" in mistake(capsys, *arguments)


def test_a_noun_that_the_small_base_does_not_know_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for noun, is_said in (("teapot", True), ("robot", False), ("character", False)):
        arguments = ["learn", str(tmp_path / "none"), "--name", "Mo", "--noun", noun, "--run", str(tmp_path)]
        assert run_command(arguments) == 2
        assert (f"does not know the noun {noun!r}" in capsys.readouterr().err) == is_said


def test_the_same_command_goes_on(drawings: Path, toy_base: Path, run: Path) -> None:
    assert run_command(learn_arguments(drawings, toy_base, run, steps=2)) == 0
    assert run_command(learn_arguments(drawings, toy_base, run, steps=3)) == 0
    assert "steps = 3" in (run / "recipe.toml").read_text()


def test_ctrl_c_stops_with_one_sentence_and_the_same_command_goes_on(
    drawings: Path, toy_base: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = learn_arguments(drawings, toy_base, run, steps=60)
    command = [sys.executable, "-m", "understudy.cli", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("learning"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert "goes on" in rest.splitlines()[-1]
    assert run_command(arguments) == 0


def test_sweep_learns_every_combination(
    drawings: Path, toy_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learn = learn_arguments(drawings, toy_base, tmp_path, steps=1)
    place = learn.index("--run")
    swept = [*("sweep", *learn[1:place], "--out", str(tmp_path / "all"), *learn[place + 2 :])]
    axes = ("--set", "learning_rate=1e-4,1e-3", "--set", "targets=attention,attention+time")
    assert run_command([*swept, *axes]) == 0
    names = capsys.readouterr().out.splitlines()
    assert [Path(name).name for name in names] == [
        f"learning_rate={rate},targets={targets}"
        for rate in ("1e-4", "1e-3")
        for targets in ("attention", "attention+time")
    ]
    assert 'targets = ["attention", "time"]' in (Path(names[1]) / "recipe.toml").read_text()
    assert all((Path(name) / "checkpoints" / "000001").is_dir() for name in names)
    for wrong, what in (("rank", "no knob with values"), ("rank=a", "rank"), ("colour=1", "colour")):
        assert what in mistake(capsys, *swept, "--set", wrong)


def test_mistakes_of_learn(
    drawings: Path, toy_base: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[str | Path] = ["--name", "Mo", "--run", tmp_path / "run", "--base", toy_base]
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear Mo")
    assert "no folder" in mistake(capsys, "learn", tmp_path / "missing", *given)
    assert "no drawing" in mistake(capsys, "learn", tmp_path / "empty", *given)
    assert "--name" in mistake(capsys, "learn", drawings, "--run", tmp_path / "run")
    assert "empty" in mistake(capsys, "learn", drawings, *given, "--name", " ")
    for name in ("A", "Book", "the", "Mo\n", "kitten"):
        assert "another name" in mistake(capsys, "learn", drawings, *given, "--name", name)
    assert "steps" in mistake(capsys, "learn", drawings, *given, "--steps", "0")
    assert "learning_rate" in mistake(capsys, "learn", drawings, *given, "--learning-rate", "fast")
    assert "--rank" in mistake(capsys, "learn", drawings, *given, "--method", "prompt-only", "--rank", "4")
    assert "magic" in mistake(capsys, "learn", drawings, *given, "--method", "magic")
    assert "no base" in mistake(capsys, "learn", drawings, *given, "--base", tmp_path / "missing")
    assert "is no base" in mistake(capsys, "learn", drawings, *given, "--base", drawings)
    assert "other files" in mistake(capsys, "learn", drawings, *given, "--run", tmp_path / "mine")
    assert not (tmp_path / "run").exists()


def test_a_run_refuses_another_recipe(
    drawings: Path, toy_base: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = learn_arguments(drawings, toy_base, run, steps=3)
    assert "rank" in mistake(capsys, *arguments, "--rank", "4")
    assert "name" in mistake(capsys, *arguments, "--name", "Jo")


def test_a_base_known_by_name_is_fetched_last_of_all(
    drawings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(repository: str, hub: Hub) -> Listing:
        raise UserError(f"{repository} is asked for.")

    monkeypatch.setattr(fetch, "list_files", unreachable)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "empty").mkdir()
    given: list[str | Path] = ["--name", "Mo", "--run", tmp_path / "run", "--base", "zimage"]
    assert "no drawing" in mistake(capsys, "learn", tmp_path / "empty", *given)
    assert "without --vectors" in mistake(capsys, "learn", drawings, *given, "--vectors", "2")
    assert "--base klein" in mistake(capsys, "learn", drawings, *given, "--method", "reference")
    assert "Z-Image is asked for" in mistake(capsys, "learn", drawings, *given)
    assert "somebody/toy is asked for" in mistake(
        capsys, "learn", tmp_path / "empty", *given, "--base", "somebody/toy"
    )
