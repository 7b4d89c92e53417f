"""How the tests of the verbs call them."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.cli import run_command

PROMPT = "a picture of Mo waving"


def learn_arguments(drawings: Path, base: Path, run: Path, steps: int = 2) -> list[str]:
    toy = "--prior-pictures 2 --prior-steps 1 --batch 2 --rank 2 --views 2 --snapshot-every 100"
    return [
        *("learn", str(drawings), "--name", "Mo", "--noun", "girl", "--run", str(run)),
        *("--base", str(base), "--steps", str(steps), *toy.split()),
    ]


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Run a command that must fail, and return its one sentence."""
    capsys.readouterr()
    assert run_command([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("understudy: ")
    assert err.count("\n") == 1
    return err
