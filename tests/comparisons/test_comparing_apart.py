"""Comparisons by the command, and in processes of their own that may be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.comparisons.asking import BROKEN, PROMPT_ONLY, PROMPTS, Ask, count_drawn, rows_of, run
from understudy.cli import run_command
from understudy.comparisons.compare import compare
from understudy.events import Event


def test_the_command_says_its_plan_and_compares(
    ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = ask(PROMPT_ONLY, BROKEN, names=["Pip"]), tmp_path / "out"
    capsys.readouterr()
    assert run_command(["compare", str(path), "--out", str(out), "--plan"]) == 0
    assert capsys.readouterr().out.startswith("2 rows for 1 character: 2 runs to learn")
    assert not out.exists()
    assert run_command(["compare", str(path), "--out", str(out)]) == 1
    text, err = capsys.readouterr()
    assert Path(text.strip()) == out / "comparison.html"
    assert "No figures: pip, broken, learning seed 0: The base in" in err
    (learned,) = (one for one in rows_of(out / "runs.csv") if one["line"] == "prompt-only")
    assert int(learned["peak_memory_bytes"]) > 0
    assert run_command(["compare", str(path), "--out", str(out), "--tables"]) == 0
    assert run_command(["compare", str(ask()), "--out", str(out)]) == 2
    assert "rows" in capsys.readouterr().err


def test_a_killed_comparison_goes_on_and_draws_nothing_twice(ask: Ask, tmp_path: Path) -> None:
    prompts = [f"{PROMPTS[0]} {number}" for number in range(30)]
    path, out = ask(PROMPT_ONLY, names=["Pip"], prompts=prompts), tmp_path / "out"
    command = [sys.executable, "-m", "understudy.cli", "compare", str(path), "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        while len(list(out.rglob("pictures/*.png"))) < 5 and process.poll() is None:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    # The process that drew hears that nobody listens any more, and ends too.
    there = -1
    while there != len(list(out.rglob("pictures/*.png"))):
        there = len(list(out.rglob("pictures/*.png")))
        time.sleep(2)
    assert 5 <= there < 60
    events: list[Event] = []
    compared = run(path, out, events)
    assert there + count_drawn(events) == 60
    assert [line.n for line in compared.lines] == [60]


def test_a_process_that_ends_without_a_word_is_a_failure_of_its_run_alone(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing that is no understudy can answer.
    monkeypatch.setattr("understudy.comparisons.apart.PACKAGE", tmp_path / "nowhere" / "understudy")
    (tmp_path / "nowhere" / "understudy" / "comparisons").mkdir(parents=True)
    for module in ("understudy", "understudy/comparisons"):
        (tmp_path / "nowhere" / module / "__init__.py").touch()
    (tmp_path / "nowhere/understudy/comparisons/apart.py").write_text("import os; os.kill(os.getpid(), 9)\n")
    monkeypatch.chdir(tmp_path)
    compared = compare(ask(PROMPT_ONLY, names=["Pip"]), tmp_path / "out", device="cpu")
    assert "want of memory" in compared.failed[0]
