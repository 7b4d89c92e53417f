"""`judge` end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from understudy.cli import run_command


@pytest.mark.usefixtures("untrained_judge")
def test_judge_prints_only_json(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a picture of {name} waving\na picture of {name} playing tennis\n")
    capsys.readouterr()
    assert run_command(["judge", str(run), "--prompts", str(prompts), "--count", "2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {"quality_ratio", "low", "high", "n", "same_character", "attributes"} <= figures.keys()
    assert figures["n"] == 4
    assert 0 <= figures["low"] <= figures["quality_ratio"] <= figures["high"] <= 1
    assert figures["by_prompt"]["a picture of Mo playing tennis"] == 0
    assert sum(figures["not_judged"].values()) == 2
    judged = json.loads((run / "judged.json").read_text())
    assert {"copying", "diversity", "drift"} <= judged.keys()
    assert {name: figures[name] for name in judged} == judged


@pytest.mark.usefixtures("untrained_judge")
def test_judge_says_what_it_cannot_judge(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a picture of {name} playing tennis\n")
    capsys.readouterr()
    assert run_command(["judge", str(run), "--prompts", str(prompts), "--count", "1", "--no-drift"]) == 0
    text, err = capsys.readouterr()
    assert err.endswith(f"See them on a page: understudy report {run}\n")
    assert "Few are right: the README says what helps, under 'When pictures are bad'." in err
    assert "**When pictures are bad**" in (Path(__file__).parents[2] / "README.md").read_text()
    assert text.startswith("0% of 1 pictures pass")
    assert "Not judged" in text
    assert "1 pictures show a drawing's figure again" in text
    assert "drift" not in json.loads((run / "judged.json").read_text())
    assert "tennis" in text
