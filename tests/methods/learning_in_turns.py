"""What each of the processes of `test_processes.py` does: several runs, one after another, in one process."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.methods.meeting import stop_and_meet
from understudy.cli import run_command
from understudy.events import Cancelled, Event, Step

LAST = 2


def stop_at_the_last(event: Event) -> None:
    """A listener that has enough when nothing is left to learn."""
    if isinstance(event, Step) and event.phase == "learning" and event.done == event.total:
        raise Cancelled


def main(base: str, folder: Path, asked: list[str]) -> None:
    """Learn as `asked`, go on, find it finished, then stop another run at its last step."""
    for steps in ("10", "20", "20"):
        assert run_command([*asked, "--base", base, "--run", str(folder / "2"), "--steps", steps]) == 0
    short = {"base": base, "steps": LAST, "batch": 2, "views": 1, "rank": 2, "pull": 0.1}
    stop_and_meet(folder / "stopped", short, stop_at_the_last)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
