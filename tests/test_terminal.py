"""What a terminal shows, and how Ctrl-C stops the work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import click
import pytest

from understudy.cli import commands, run_command
from understudy.commands.verb import LearnVerb
from understudy.events import Cancelled, Note, Step, Terminated
from understudy.terminal import end_in_words, listening


def test_lines_for_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with listening() as notify:
        for done in range(101):
            notify(Step("learning", done, 100, (("loss", 0.25),)))
        notify(Note("One drawing [bold] is left out."))
        notify(Step("drawing", 0, 2))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "learning 0/100, loss 0.25",
        "learning 100/100, loss 0.25",
        "One drawing [bold] is left out.",
        "drawing 0/2",
    ]


def test_time_left_counts_from_where_this_process_began(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 20.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with listening() as notify:
        notify(Step("learning", 50, 100))
        notify(Step("learning", 60, 100))
    assert "learning 60/100, 1:20 left" in capsys.readouterr().err


def test_bars_for_a_person(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with listening() as notify:
        notify(Step("learning", 1, 2, (("loss", 0.25),)))
        notify(Note("One drawing [bold] is left out."))
        notify(Step("learning", 2, 2, (("loss", 0.125),)))
    out, err = capsys.readouterr()
    assert out == ""
    assert "2/2" in err
    assert "loss 0.125" in err
    assert "One drawing [bold] is left out." in err


def test_interrupts_stop_at_the_next_event_and_then_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with listening() as notify:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Cancelled):
            notify(Note("still here"))
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_systems_wish_to_end_stops_at_the_next_event(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with listening() as notify:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # whoever waits may ask twice
        with pytest.raises(Terminated):
            notify(Note("still here"))
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before
    assert "stopping after this step" in capfd.readouterr().err


@pytest.mark.parametrize("listens", [True, False])
def test_a_command_that_is_told_to_end_says_what_stays(
    listens: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> None:
        if not listens:
            os.kill(os.getpid(), signal.SIGTERM)
        with listening() as notify:
            os.kill(os.getpid(), signal.SIGTERM)
            notify(Step("learning", 1, 2))
        raise AssertionError("It goes on.")

    verb = LearnVerb("learn", callback=work)
    monkeypatch.setattr(LearnVerb, "get_params", click.Command.get_params)
    monkeypatch.setitem(commands.commands, "learn", verb)
    before = signal.getsignal(signal.SIGTERM)
    try:
        end_in_words()
        assert run_command(["learn"]) == 143
    finally:
        signal.signal(signal.SIGTERM, before)
    told = "Stopped; what was learned so far stays, and the same command goes on from it."
    assert told in capsys.readouterr().err


def test_libraries_tell_the_artist_nothing_while_they_are_imported() -> None:
    imports = "import diffusers; from diffusers import StableDiffusionPipeline; import torchao, bitsandbytes"
    program = f"from understudy.terminal import hush_libraries; hush_libraries(); {imports}"
    python = [sys.executable, "-c", program]
    told = subprocess.run(python, capture_output=True, text=True, timeout=300, check=True)
    assert told.stdout + told.stderr == ""
