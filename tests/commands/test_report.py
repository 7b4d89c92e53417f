"""The verbs that hand a run over: `sheet`, `report` and `export`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.calling import mistake
from understudy.cli import run_command


def test_sheet_writes_a_pdf_and_a_picture(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run_command(["sheet", str(run), "--out", str(tmp_path), "--of", "1", "--steps", "1"]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in paths] == ["mo-sheet.pdf", "mo-sheet.png"]
    assert paths[0].read_bytes().startswith(b"%PDF")


def test_report_writes_a_page(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run_command(["report", str(run)]) == 0
    assert Path(capsys.readouterr().out.strip()) == run / "report.html"
    assert run_command(["report", str(run), "--out", str(tmp_path / "mo.html")]) == 0
    assert (tmp_path / "mo.html").read_bytes() == (run / "report.html").read_bytes()
    assert "no run" in mistake(capsys, "report", tmp_path)


def test_export_writes_a_file_and_says_what_other_tools_cannot(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run_command(["export", str(run), "--out", str(tmp_path / "mo.safetensors")]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(tmp_path / "mo.safetensors")]
    assert "ComfyUI and A1111 cannot open the base" in err
    assert "no run" in mistake(capsys, "export", tmp_path / "missing")
    assert "No weights of step 7" in mistake(capsys, "export", run, "--step", "7")
    assert "--format" in mistake(capsys, "export", run, "--format", "pickle")
