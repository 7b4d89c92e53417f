"""A listener for terminals: bars with the time left where someone watches, plain lines where a file does."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from understudy.events import Cancelled, Event, Note, Notify, Step, Terminated, ignore
from understudy.launched import launched_number

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_EVERY_SECONDS = 10.0
CHATTERS = ("torchao", "torch.utils._pytree", "bitsandbytes")
"""Libraries that warn whoever imports them, as peft does if they are there: of kernels for other machines, of
changes to come."""


def speaks() -> bool:
    """Whether this process is alone, or the first of those that a launcher started, which speaks for all."""
    return launched_number() == 0


def hush_libraries() -> None:
    """Keep from the artist what libraries tell their developers while they are imported."""
    for name in CHATTERS:
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def listening() -> Iterator[Notify]:
    """A listener that shows progress on the error stream; Ctrl-C becomes `Cancelled` at the next event.

    So does the system's wish that the process end (SIGTERM), as `Terminated`. The work stops where it told
    something last, so that it can keep what it has; Ctrl-C after either stops at once with
    `KeyboardInterrupt`.
    """
    with _interrupts() as interrupts, _display() as show:

        def notify(event: Event) -> None:
            show(event)
            if interrupts:
                raise Terminated if interrupts[0] == signal.SIGTERM else Cancelled

        yield notify


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """A list that gets the signal's number at the first Ctrl-C, or when the process is told to end."""
    pressed: list[int] = []

    def press(number: int, frame: FrameType | None) -> None:
        if pressed:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return  # a system that waits may ask again
        pressed.append(number)
        # Unbuffered and without locks, as a signal may come in the middle of another line.
        again = "again " if number == signal.SIGINT else ""
        os.write(2, f"\nstopping after this step; Ctrl-C {again}stops at once\n".encode())

    before = {number: signal.signal(number, press) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Ended(KeyboardInterrupt):
    """The system told this process to end where no work was listening."""


def end_in_words() -> None:
    """Let the system's wish that this process end (SIGTERM) stop it as Ctrl-C does, with a sentence."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Ended

    signal.signal(signal.SIGTERM, end)


@contextmanager
def _display() -> Iterator[Notify]:
    if not speaks():
        yield ignore
        return
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Bars(progress)


class _Bars:
    """One bar for each phase of the work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case Step(phase, done, total):
                if phase not in self._tasks:
                    self._tasks[phase] = self._progress.add_task(
                        phase, total=total, completed=done, figures=""
                    )
                self._progress.update(
                    self._tasks[phase], total=total, completed=done, figures=_figures(event)
                )
            case Note(text):
                self._progress.console.print(text, markup=False, highlight=False)


class _Lines:
    """A line at the start and the end of each phase, and every ten seconds in between."""

    def __init__(self) -> None:
        self._started: dict[str, tuple[float, int]] = {}
        self._shown = 0.0

    def __call__(self, event: Event) -> None:
        match event:
            case Step():
                self._step(event)
            case Note(text):
                sys.stderr.write(f"{text}\n")

    def _step(self, step: Step) -> None:
        now = time.monotonic()
        is_new = step.phase not in self._started
        if is_new:
            self._started[step.phase] = now, step.done
        if is_new or step.done == step.total or now - self._shown >= LINE_EVERY_SECONDS:
            self._shown = now
            parts = [f"{step.phase} {step.done}/{step.total}", self._time_left(step, now), _figures(step)]
            sys.stderr.write(", ".join(part for part in parts if part) + "\n")

    def _time_left(self, step: Step, now: float) -> str:
        """From the pace since this process saw the phase first, so that a resumed run is not overrated."""
        started, done_before = self._started[step.phase]
        done = step.done - done_before
        if done <= 0 or step.done >= step.total:
            return ""
        seconds = round((now - started) / done * (step.total - step.done))
        return f"{seconds // 60}:{seconds % 60:02} left"


def _figures(step: Step) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in step.figures)
