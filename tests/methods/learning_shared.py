"""What each of two processes of `test_processes.py` does: with the denoiser's blocks shared, then without."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.methods.learning_large import learn_each
from tests.methods.meeting import stop_and_meet
from understudy.cli import run_command
from understudy.events import Cancelled, Event, Step


def stop_half_way(event: Event) -> None:
    """A listener that has enough after the first of two steps, where the other process has begun the next."""
    if isinstance(event, Step) and event.phase == "learning" and event.done == 1:
        raise Cancelled


def main(base: str, large: Path, folder: Path, asked: list[str]) -> None:
    """Learn as `asked`, stop another run half way, then learn on a large family by each method."""
    assert run_command([*asked, "--base", base, "--run", str(folder / "shared")]) == 0
    short = {"base": base, "steps": 2, "batch": 2, "views": 1, "rank": 2, "offload": "shards"}
    stop_and_meet(folder / "half", {**short, "prior_weight": 0.0}, stop_half_way)
    learn_each(large, folder)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
