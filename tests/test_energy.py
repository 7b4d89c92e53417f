"""Counters and estimates of electricity, against sums by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.energy import WATTS_PER_CORE, Counter, Estimate, Together, open_meter, open_rapl


def reading(*values: float) -> Iterator[float]:
    yield from values


def test_a_counter_that_begins_again_goes_on() -> None:
    values = iter((900, 950, 20, 40))
    counter = Counter(lambda: next(values), 1e-3, wraps_at=1000)
    assert [counter.read_joules() for _ in range(3)] == pytest.approx([0.05, 0.12, 0.14])


def test_an_estimate_is_busy_time_times_watts() -> None:
    clock = reading(100.0, 103.0, 110.0)
    estimate = Estimate(lambda: next(clock), 12.0)
    assert [estimate.read_joules() for _ in range(2)] == [36.0, 120.0]
    assert not estimate.is_measured


def zone(folder: Path, name: str, kind: str, energy_uj: int) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "name").write_text(f"{kind}\n")
    (folder / name / "max_energy_range_uj").write_text("262143328850\n")
    (folder / name / "energy_uj").write_text(f"{energy_uj}\n")
    return folder / name / "energy_uj"


def test_processor_packages_are_read_and_their_parts_are_not_counted_twice(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 262_143_000_000)
    core = zone(tmp_path, "intel-rapl:0:0", "core", 1)
    platform = zone(tmp_path, "intel-rapl:2", "psys", 1)
    meter = Together(open_rapl(tmp_path))
    first.write_text("8000000\n")
    second.write_text("671150\n")  # begun again: 328,850 to the end, and one more
    core.write_text("900000000\n")
    platform.write_text("900000000\n")
    assert meter.read_joules() == pytest.approx(3.0 + 1.0)
    assert meter.is_measured


def test_without_counters_the_processor_is_estimated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_rapl(tmp_path / "missing") == []
    zone(tmp_path, "intel-rapl:0", "package-0", 1).write_text("")  # what a forbidden one may give
    assert open_rapl(tmp_path) == []
    monkeypatch.setattr("understudy.energy.POWERCAP", tmp_path)
    times = reading(1.0, 3.5)
    monkeypatch.setattr("time.process_time", lambda: next(times))
    meter = open_meter("cpu")
    assert not meter.is_measured
    assert meter.read_joules() == 2.5 * WATTS_PER_CORE
