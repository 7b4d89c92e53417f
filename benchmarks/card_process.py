"""Processes that are measured one after another, and what one that failed last said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peer_runs import measured_environment

Noted = dict[str, Any]
"""What `step_meter.Figures` is as JSON."""

NOTED = ("could not be captured", "No step is captured", "learning is not compiled")


class Failed(Exception):
    """Why there is no figure, in one sentence."""


def run_process(command: Sequence[str], log: Path, limit_s: float, toy: bool) -> str:
    """What a module's process says; raises `Failed` with the last thing that it complained about.

    Its complaints are kept in `log`. A `toy` sees no graphics card.
    """
    environment = measured_environment() | ({"CUDA_VISIBLE_DEVICES": ""} if toy else {})
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as complaints:
        try:
            done = subprocess.run(
                [sys.executable, "-m", *command],
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=environment,
                timeout=limit_s,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(f"It took longer than {limit_s:.0f} s.") from error
    if done.returncode:
        words = find_last_words(log.read_text("utf-8", errors="replace"))
        raise Failed(words or f"It ended with the exit code {done.returncode} and said nothing.")
    return done.stdout.decode("utf-8", errors="replace")


def find_last_words(said: str) -> str:
    """The first sentence of the last line; bars that move along a line are none."""
    lines = [line.strip() for line in said.replace("\r", "\n").splitlines()]
    words = [line for line in lines if line and "%|" not in line]
    sentence, stop, _ = words[-1].partition(". ") if words else ("", "", "")
    return sentence + stop.strip()


def find_notes(log: Path) -> str:
    """What our learning told of a step that it could not capture, or not compile."""
    lines = log.read_text("utf-8", errors="replace").splitlines()
    told = [line.strip() for line in lines if any(word in line for word in NOTED)]
    return " ".join(dict.fromkeys(told))
