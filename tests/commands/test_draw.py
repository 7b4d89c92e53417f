"""`draw` end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands.calling import PROMPT
from understudy.cli import run_command
from understudy.commands.verb import warn_if_unread
from understudy.provenance import read_record


def test_draw_writes_marked_pictures_and_the_same_again(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = []
    for folder in ("first", "second"):
        capsys.readouterr()
        arguments = ["draw", str(run), PROMPT, "--count", "2", "--seed", "5", "--steps", "2"]
        assert run_command([*arguments, "--out", str(tmp_path / folder)]) == 0
        paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
        assert len(paths) == 2
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]
    assert contents[0][0] != contents[0][1]
    record = read_record(paths[1])
    assert (record["prompt"], record["seed"], record["steps"], record["character"]) == (
        PROMPT,
        "6",
        "2",
        "Mo",
    )
    assert json.loads(paths[1].with_suffix(".json").read_text())["weights_sha256"] == record["weights_sha256"]


def test_a_picture_does_not_depend_on_its_batch(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = []
    for seed, count in ((0, 3), (2, 1)):
        capsys.readouterr()
        arguments = ["--seed", str(seed), "--count", str(count), "--steps", "2"]
        assert run_command(["draw", str(run), PROMPT, *arguments, "--out", str(tmp_path / str(seed))]) == 0
        pictures.append(np.asarray(Image.open(capsys.readouterr().out.splitlines()[-1])).astype(float))
    assert np.abs(pictures[0] - pictures[1]).mean() <= 1


def test_draw_says_when_the_prompt_leaves_the_character_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for prompt, is_left_out in (("a picture of Momo", True), ("MO, waving", False)):
        capsys.readouterr()
        arguments = ["--count", "1", "--steps", "1", "--out", str(tmp_path)]
        assert run_command(["draw", str(run), prompt, *arguments]) == 0
        assert ("does not say Mo" in capsys.readouterr().err) == is_left_out


def test_draw_names_them_where_the_small_base_draws(
    run: Path,
    toy_base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draws = ["draw", str(run), "Mo riding a bicycle", "--count", "1", "--steps", "1", "--out", str(tmp_path)]
    for small, is_named in (("another", False), (str(toy_base.resolve()), True)):
        monkeypatch.setattr("understudy.recipes.PUPPET", small)
        capsys.readouterr()
        assert run_command(draws) == 0
        assert ("no words for 'riding bicycle'" in capsys.readouterr().err) == is_named


def test_wishes_that_the_small_base_has_no_words_for_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    warn_if_unread(["a picture of Mo eating a sandwich", "a portrait of Mo, smiling"], "Mo")
    assert capsys.readouterr().err == ""
    warn_if_unread(["a picture of Mo riding a bicycle", "Mo waving"], "Mo")
    said = capsys.readouterr().err
    assert "'riding bicycle'" in said
    assert said.count("\n") == 1


@pytest.mark.usefixtures("untrained_judge")
def test_draw_takes_a_file_a_sketch_and_a_grid_and_keeps_the_best(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompts.txt").write_text("# mine\na picture of {name} waving\na picture of Mo sad\n")
    Image.new("RGB", (80, 80), "red").save(tmp_path / "pose.png")
    arguments = ["draw", str(run), "--prompts", str(tmp_path / "prompts.txt"), "--steps", "2", "--cut-out"]
    arguments += ["--best", "1", "--of", "2", "--from", str(tmp_path / "pose.png"), "--strength", "0.5"]
    arguments += ["--grid", str(tmp_path / "grid.png"), "--scheduler", "ddim", "--width", "40"]
    capsys.readouterr()
    assert run_command([*arguments, "--out", str(tmp_path / "out")]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name.endswith("-cut-out.png") for path in paths] == [False, False, True, True, False]
    records = [read_record(path) for path in paths[:4]]
    assert [record["prompt"] for record in records] == [PROMPT, "a picture of Mo sad"] * 2
    assert {record["scheduler"] for record in records} == {"ddim"}
    assert {(record["sketch"], record["strength"]) for record in records} == {("pose.png", "0.5")}
    assert {record["picked"] for record in records} == {"1 of 2"}
    assert Image.open(paths[0]).size == (40, 32)
    assert Image.open(paths[2]).mode == "RGBA"
    assert paths[4] == tmp_path / "grid.png"
    assert len(list((tmp_path / "out" / "others").glob("*.png"))) == 2
