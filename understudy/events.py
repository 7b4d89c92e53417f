"""What long work tells whoever listens: a terminal, a web page or a test's list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from understudy.domain import Verdict


@dataclass(frozen=True)
class Step:
    """One unit of work is done: `done` of `total`, in the `phase` named; `figures` are e.g. {"loss": 0.2}."""

    phase: str
    done: int
    total: int
    figures: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Drew:
    """A picture lies at `path`."""

    path: Path


@dataclass(frozen=True)
class Judged:
    """A picture was judged."""

    verdict: Verdict


@dataclass(frozen=True)
class Note:
    """One sentence for the user."""

    text: str


Event = Step | Drew | Judged | Note
Notify = Callable[[Event], None]


class Cancelled(Exception):
    """Raised by a listener to stop the work; all that was made so far stays."""


class Terminated(Cancelled):
    """The same where the system asked this process to end."""


def ignore(event: Event) -> None:
    """A listener that does nothing."""
