"""What each of two processes of `test_processes.py` does that share the denoiser's blocks."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.methods.meeting import stop_and_meet
from understudy.cli import run_command
from understudy.events import Cancelled, Event, Step


def stop_half_way(event: Event) -> None:
    """A listener that has enough after the first of two steps, where the other process has begun the next."""
    if isinstance(event, Step) and event.phase == "learning" and event.done == 1:
        raise Cancelled


def main(base: str, folder: Path, asked: list[str]) -> None:
    """Learn as `asked`, then stop another run half way."""
    assert run_command([*asked, "--base", base, "--run", str(folder / "shared")]) == 0
    short = {"base": base, "steps": 2, "batch": 2, "views": 1, "rank": 2, "offload": "shards"}
    stop_and_meet(folder / "half", {**short, "prior_weight": 0.0}, stop_half_way)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
