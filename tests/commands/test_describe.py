"""`describe` end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.commands.calling import mistake
from understudy.cli import run_command


def test_describe_prints_what_the_drawings_are_like(
    drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run_command(["describe", str(drawings), "--out", str(tmp_path / "described")]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err.endswith(f"Learn them: understudy learn {drawings} --name NAME --run RUN\n")
    assert lines[0].startswith("3 drawings, 48 x 64 pixels")
    assert all(colour in lines[1] for colour in ("#ff0000", "#008000", "#0000ff"))
    assert [Path(line).name for line in lines[-3:]] == ["description.html", "grid.png", "description.json"]
    assert run_command(["describe", str(drawings), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "described" / "description.json").read_text())
    assert "plaid" in mistake(capsys, "describe", drawings, "--paper", "plaid")
    assert "themselves" in mistake(capsys, "describe", drawings, "--out", drawings)
    assert "no folder" in mistake(capsys, "describe", tmp_path / "missing")


def test_describe_lays_transparent_drawings_on_the_paper_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((0, 0, 255, 255), (16, 16, 48, 48))
    image.save(tmp_path / "mo.png")
    capsys.readouterr()
    assert run_command(["describe", str(tmp_path), "--paper", "#ffe0c0", "--json"]) == 0
    (figures,) = json.loads(capsys.readouterr().out)["drawings"]
    assert figures["paper"] == [255, 224, 192]
