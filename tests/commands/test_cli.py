"""What holds for all verbs: their help, and every mistake in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.calling import PROMPT, mistake
from understudy.cli import run_command
from understudy.recipes import DrawSettings


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; from understudy.cli import run_command; run_command(['--help']); "
        "print(sorted({'torch', 'diffusers', 'transformers', 'pydantic', 'cv2', 'rich'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_python_knows_it_by_its_name() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "understudy", "--help"], capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith("Usage: ")
    assert "understudy" in told.stdout.partition("\n")[0]


def test_a_run_that_is_not_there_is_refused_before_anything_large_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from understudy.cli import run_command; "
        f"run = {str(tmp_path / 'none')!r}; "
        "codes = [run_command([verb, run]) for verb in ('judge', 'sheet', 'report')]; "
        "print(codes, sorted({'torch', 'diffusers', 'transformers', 'cv2'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[2, 2, 2] []"
    assert result.stderr.count("There is no run in") == 3


def test_help_lists_the_verbs_in_the_order_of_the_work_and_cuts_no_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run_command(["--help"]) == 0
    text = capsys.readouterr().out
    lines = text.partition("Commands:\n")[2].splitlines()
    verbs = ["describe", "learn", "draw", "redraw", "flatten", "cut-out", "sheet", "judge", "report"]
    verbs += ["export", "compare", "sweep", "bases", "plan", "hero", "demo"]
    assert [line.split()[0] for line in lines] == verbs
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)


def test_help_of_learn_says_what_the_recipes_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["learn", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--learning-rate NUMBER The learning rate of Adam" in text
    assert "--rank INTEGER" in text
    assert "--flips / --no-flips" in text
    places = [text.index(said) for said in ("--run PATH", "Usual knobs:", "--steps INTEGER", "For experts")]
    assert places == sorted(places)
    assert text.index("--rank INTEGER") > places[-1]


def test_help_of_draw_says_what_the_settings_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["draw", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"beyond 50 nothing improves. [default: {DrawSettings().steps}]" in text
    assert f"[default: {DrawSettings().guidance}]" in text


def test_no_verb_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([]) == 2
    assert "Usage: understudy" in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_mistake(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "understudy.cli", "hero", "3", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_mistakes_of_the_other_verbs(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no run" in mistake(capsys, "draw", tmp_path / "missing", PROMPT)
    assert "either a PROMPT" in mistake(capsys, "draw", run)
    assert "guidance" in mistake(capsys, "draw", run, PROMPT, "--guidance", "0.5")
    assert "--count" in mistake(capsys, "draw", run, PROMPT, "--count", "0")
    assert "--count" in mistake(capsys, "draw", run, PROMPT, "--count", "10001")
    assert "1000" in mistake(capsys, "draw", run, PROMPT, "--steps", "1001")
    assert "--seed" in mistake(capsys, "draw", run, PROMPT, "--seed", str(2**32))
    assert "prompt is empty" in mistake(capsys, "draw", run, " ")
    assert "UTF-8" in mistake(capsys, "draw", run, "Mo \udcff")
    assert "multiples of 8" in mistake(capsys, "draw", run, PROMPT, "--width", "33")
    assert "width" in mistake(capsys, "draw", run, PROMPT, "--width", "100000")
    assert "scheduler" in mistake(capsys, "draw", run, PROMPT, "--scheduler", "magic")
    assert "pure noise" in mistake(capsys, "draw", run, PROMPT, "--scheduler", "heun")
    assert "--of" in mistake(capsys, "draw", run, PROMPT, "--count", "2", "--best", "1")
    assert "--best" in mistake(capsys, "draw", run, PROMPT, "--of", "3")
    assert "--from" in mistake(capsys, "draw", run, PROMPT, "--strength", "0.5")
    assert "missing.png" in mistake(capsys, "draw", run, PROMPT, "--from", tmp_path / "missing.png")
    assert "grid.png" in mistake(capsys, "draw", run, PROMPT, "--grid", tmp_path / "grid.jpg")
    assert "either" in mistake(capsys, "draw", run, PROMPT, "--prompts", tmp_path / "prompts.txt")
    assert "(--mask) or the name" in mistake(capsys, "redraw", run, run / "drawings" / "01.png", PROMPT)
    assert "missing.png" in mistake(capsys, "redraw", run, tmp_path / "missing.png", PROMPT, "--part", "face")
    assert "missing.png" in mistake(capsys, "cut-out", tmp_path / "missing.png")
    assert "no run" in mistake(capsys, "sheet", tmp_path / "missing")
    assert "is a file" in mistake(capsys, "draw", run, PROMPT, "--steps", "1", "--out", run / "run.json")
    below_a_file = mistake(capsys, "draw", run, PROMPT, "--out", run / "run.json" / "sub")
    assert "Not a directory" in below_a_file
    assert "room" not in below_a_file
    assert "no run" in mistake(capsys, "judge", tmp_path / "missing", "--json")
    assert "cannot be read" in mistake(capsys, "judge", run, "--prompts", tmp_path / "missing.txt")
    assert "SEED" in mistake(capsys, "hero", "x", "--out", tmp_path)
    assert "--out" in mistake(capsys, "hero", "3")
    assert "No such command" in mistake(capsys, "paint")
