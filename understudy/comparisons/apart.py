"""A run in a process of its own: its peak memory is its own, and what ends it ends nothing else.

Event by event the process writes lines of JSON. It stops, keeping what it has, when its input is closed: by
who started it, or because that process is gone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO

from understudy.comparisons.plan import PlannedRun
from understudy.comparisons.work import Failure, attempt
from understudy.events import Cancelled, Drew, Event, Note, Notify, Step

PACKAGE = Path(__file__).parents[1]
TOLD_AT_END = 2000
"""Characters of what a process said last, where it ended without a word."""


def attempt_apart(run: PlannedRun, notify: Notify, device: str) -> Failure | None:
    """As `attempt`, in a process of its own."""
    command = [sys.executable, "-m", "understudy.comparisons.apart", device]
    with tempfile.TemporaryFile() as errors, _start(command, errors) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(run.model_dump_json() + "\n")
        process.stdin.flush()
        try:
            outcome = _listen(process.stdout, notify)
        finally:
            process.stdin.close()
            process.stdout.close()
            code = process.wait()
        if outcome is not None:
            return Failure(**outcome) if outcome else None
        errors.seek(0)
        return Failure(_sudden_end(code), errors.read().decode(errors="replace")[-TOLD_AT_END:])


def _start(command: Sequence[str], errors: IO[bytes]) -> subprocess.Popen[str]:
    # This very package, wherever it was imported from.
    paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def _listen(lines: IO[str], notify: Notify) -> Mapping[str, str] | None:
    """Hand on what the process tells; its failure, empty if there is none, or None where it broke off."""
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:  # cut off by the process's end
            return None
        match told.pop("event"):
            case "Step":
                figures = tuple((name, value) for name, value in told.pop("figures"))
                notify(Step(**told, figures=figures))
            case "Drew":
                notify(Drew(Path(told["path"])))
            case "Note":
                notify(Note(told["text"]))
            case "end":
                return dict(told)
            case other:
                raise ValueError(f"no such event: {other}")
    return None


def _sudden_end(code: int) -> str:
    if code == -9:
        return "The system ended the work, most likely for want of memory: take a smaller batch."
    return f"The work ended without a word, with code {code}."


def main() -> None:
    """Read a planned run from the standard input and do it."""
    # Ctrl-C reaches all processes of a terminal, and a service's end all of its; this one stops when told to.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    out = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no event
    run = PlannedRun.model_validate_json(sys.stdin.readline())
    closed = threading.Event()
    threading.Thread(target=_wait_for_end, args=(closed,), daemon=True).start()

    def tell(event: Event) -> None:
        if closed.is_set():
            raise Cancelled
        if isinstance(event, Step | Drew | Note):  # verdicts are in the run's files
            fields = {**asdict(event), "event": type(event).__name__}
            try:
                out.write(json.dumps(fields, default=str) + "\n")
                out.flush()
            except BrokenPipeError as error:  # nobody listens any more
                raise Cancelled from error

    try:
        failure = attempt(run, tell, sys.argv[1])
    except Cancelled:
        return
    out.write(json.dumps({**({} if failure is None else asdict(failure)), "event": "end"}) + "\n")
    out.flush()


def _wait_for_end(closed: threading.Event) -> None:
    sys.stdin.read()
    closed.set()


if __name__ == "__main__":
    main()
