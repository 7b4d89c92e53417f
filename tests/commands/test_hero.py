"""`hero` and `demo` end to end."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.commands.calling import mistake
from understudy.cli import run_command


def test_hero_writes_six_drawings_that_can_be_read(tmp_path: Path) -> None:
    from understudy.drawings.read import read_character

    assert run_command(["hero", "3", "--out", str(tmp_path / "a")]) == 0
    assert run_command(["hero", "3", "--out", str(tmp_path / "b")]) == 0
    assert run_command(["hero", "4", "--out", str(tmp_path / "c")]) == 0
    first, same, other = (read_character(tmp_path / folder, "Mo") for folder in "abc")
    assert len(first.drawings) == 6
    assert all(drawing.caption for drawing in first.drawings)
    for one, two in zip(first.drawings, same.drawings, strict=True):
        assert (one.pixels == two.pixels).all()
    assert any(
        (one.pixels != two.pixels).any() for one, two in zip(first.drawings, other.drawings, strict=True)
    )


def test_hero_draws_the_truth_of_a_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    scene = "a picture of a girl eating a sandwich in the woods"
    assert run_command(["hero", "3", "--out", str(tmp_path), "--scene", scene]) == 0
    (path,) = capsys.readouterr().out.splitlines()
    assert Path(path).parent == tmp_path
    assert Image.open(path).mode == "RGB"
    assert "'playing tennis'" in mistake(capsys, "hero", "3", "--out", tmp_path, "--scene", "playing tennis")
    assert "be praying" in mistake(capsys, "hero", "3", "--out", tmp_path, "--scene", "praying, back view")
    assert "running" in mistake(capsys, "hero", "3", "--out", tmp_path, "--scene", "portrait, running")
    assert "empty" in mistake(capsys, "hero", "3", "--out", tmp_path, "--scene", " ")
    assert run_command(["hero", "4", "--out", str(tmp_path), "--scene", scene]) == 0
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_hero_overwrites_nothing_of_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["hero", "3", "--out", str(tmp_path)]) == 0
    assert run_command(["hero", "3", "--out", str(tmp_path)]) == 0
    assert "another folder" in mistake(capsys, "hero", "4", "--out", tmp_path)
    (tmp_path / "captions.csv").write_text("file,caption\n")
    assert "captions.csv" in mistake(capsys, "hero", "3", "--out", tmp_path)
    assert (tmp_path / "captions.csv").read_text() == "file,caption\n"


def test_demo_makes_a_sheet_and_a_report(
    toy_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run_command(["demo", "--out", str(tmp_path), "--base", str(toy_base), "--steps", "1"]) == 0
    sheet, page = map(Path, capsys.readouterr().out.splitlines())
    assert sheet == tmp_path / "sheet.png"
    assert len(list(tmp_path.glob("run-*/pictures/*.png"))) == 12
    assert Image.open(sheet).size[0] > 1000
    assert [page] == list(tmp_path.glob("run-*/report.html"))
    text = page.read_text()
    assert text.count('alt="The truth"') == 12
    assert "12 new pictures pass" in text
    assert text.count("nearest drawing; ") == 12  # the judge's own, with its share
