"""What measured processes note, on a graphics card that is only said to be there, too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks import measured_process
from benchmarks.step_meter import EnoughSteps, StepMeter

GIB = 2**30


class PretendedEvent:
    """Each is half a second after the one before."""

    times: Iterator[int] = count()

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing
        self.half_seconds = -1

    def record(self) -> None:
        self.half_seconds = next(self.times)

    def elapsed_time(self, end: PretendedEvent) -> float:
        return 500.0 * (end.half_seconds - self.half_seconds)


@pytest.fixture
def peaks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What torch's allocator says that its peak is, the newest last; asked to forget, it says 0."""
    said = [0]
    for name, what in {
        "Event": PretendedEvent,
        "max_memory_allocated": lambda: said[-1],
        "reset_peak_memory_stats": lambda: said.append(0),
        "max_memory_reserved": lambda: 7,
        "synchronize": lambda: None,
        "mem_get_info": lambda: (60, 80),
    }.items():
        monkeypatch.setattr(torch.cuda, name, what)
    return said


def make_steps(meter: StepMeter, num: int, peaks: list[int], peak: int) -> nn.Linear:
    layer = nn.Linear(3, 2)
    optimizer = SGD(layer.parameters(), lr=0.1)
    hook = register_optimizer_step_post_hook(meter.note)
    try:
        for _ in range(num):
            layer(torch.ones(1, 3)).sum().backward()
            peaks[-1] = max(peaks[-1], peak)
            optimizer.step()
    finally:
        hook.remove()
    return layer


def test_the_cards_own_clock_and_the_peak_of_what_counts(peaks: list[int]) -> None:
    meter = StepMeter(dropped=2, enough=0, is_card=True)
    make_steps(meter, 2, peaks, 90)  # a dry step's, which do not count
    make_steps(meter, 2, peaks, 50)
    layer = make_steps(meter, 2, peaks, 40)
    found = meter.figures()
    assert len(found.ends) == 2
    assert (found.tensors, found.weights) == (2, 8)
    assert found.card is not None
    assert found.card.ends == [0.0, 0.5]
    assert found.card.used == 20
    del layer


def test_what_comes_before_the_steps_that_count_is_in_the_peak_of_all(peaks: list[int]) -> None:
    meter = StepMeter(dropped=1, enough=3, is_card=True)
    peaks[-1] = 60
    with pytest.raises(EnoughSteps):
        make_steps(meter, 9, peaks, 40)
    card = meter.figures().card
    assert card is not None
    assert (card.peak, card.steps_peak, card.reserved) == (60, 40, 7)
    assert card.ends == [0.0, 0.5, 1.0]


def test_on_a_processor_the_process_itself_is_measured() -> None:
    meter = StepMeter(dropped=1, enough=0, is_card=False)
    make_steps(meter, 3, [0], 0)
    found = meter.figures()
    assert found.card is None
    assert len(found.ends) == len(found.processor_s) == 3
    assert found.ends == sorted(found.ends)
    assert found.peak_bytes > 50e6


def test_a_card_that_is_made_small_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (70 * GIB, 80 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: GIB)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", shares.append)
    measured_process.make_small(8)
    assert shares == [0.1]
    assert torch.cuda.mem_get_info("cuda") == (7 * GIB, 8 * GIB)


def test_figures_are_written_when_a_script_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, figures = tmp_path / "script.py", tmp_path / "figures.json"
    script.write_text("raise SystemExit(3)")
    monkeypatch.setattr(sys, "argv", ["measured", str(figures), str(script), "--an", "option"])
    with pytest.raises(SystemExit, match="3"):
        measured_process.main()
    assert figures.read_text().startswith('{"ends": []')
