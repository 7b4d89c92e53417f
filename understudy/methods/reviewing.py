"""What learning shows while it goes on, and what it may be answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from understudy.runs import Checkpoint, Run


@dataclass(frozen=True)
class Snapshot:
    """Weights in the midst of learning: `checkpoint` of `run`, after `checkpoint.step` of `total` steps."""

    run: Run
    checkpoint: Checkpoint
    total: int


@dataclass(frozen=True)
class Continue:
    """Go on learning."""


@dataclass(frozen=True)
class Stop:
    """Learn no more; the run counts as finished."""


Review = Callable[[Snapshot], Continue | Stop]


def never_stop(snapshot: Snapshot) -> Continue | Stop:
    """The reviewer who lets learning go on to its last step."""
    return Continue()
