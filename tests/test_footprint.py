"""What learning costs is summed over its sessions and written where nothing but the run says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.toy_character import make_recipe
from understudy.domain import Character, UserError
from understudy.events import Cancelled, Event, Step, ignore
from understudy.footprint import FOOTPRINT_FILE, Footprint, measuring, read_footprint
from understudy.methods import learn
from understudy.recipes import PromptOnly
from understudy.runs import Run


@dataclass
class Meter:
    """Says that 7200 J were used."""

    is_measured: bool = True

    def read_joules(self) -> float:
        return 7200.0


@pytest.fixture
def run(toy_base: Path, pip: Character, tmp_path: Path) -> Run:
    return learn(pip, PromptOnly(base=str(toy_base)), tmp_path / "run", device="cpu")


def spend(run: Run, grid_intensity: float | None, is_measured: bool) -> Footprint:
    with measuring(run, ignore, grid_intensity, lambda device: Meter(is_measured)) as listen:
        listen(Step("learning", 1, 2))
    footprint = read_footprint(run)
    assert footprint is not None
    return footprint


def test_sessions_are_summed(run: Run) -> None:
    (run.folder / FOOTPRINT_FILE).unlink()
    first = spend(run, 100.0, is_measured=True)
    assert (first.energy_wh, first.co2e_g, first.energy_is) == (2.0, pytest.approx(0.2), "measured")
    second = spend(run, None, is_measured=False)
    assert second.energy_wh == 4.0
    assert second.co2e_g == pytest.approx(0.2 + 2 / 1000 * 475)
    assert second.energy_is == "estimated"
    assert second.seconds >= first.seconds > 0
    assert second.peak_memory_bytes >= first.peak_memory_bytes > 10_000_000


def test_the_file_says_it_in_figures_and_in_words(run: Run) -> None:
    spend(run, 475.0, is_measured=True)
    written = json.loads((run.folder / FOOTPRINT_FILE).read_text())
    assert list(written) == ["seconds", "peak_memory_bytes", "energy_wh", "co2e_g", "energy_is", "says"]
    assert Footprint(84.2, 1_240_000_000, 0.5613, 0.2666, "estimated").says == (
        "Learning took 1 min 24 s, at most 1.2 GB of memory and 0.56 Wh (estimated), about 0.27 g CO2e."
    )


def test_a_stopped_session_counts_and_a_finished_run_costs_nothing(
    toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe = make_recipe(toy_base)

    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "learning" and event.done == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        learn(pip, recipe, tmp_path / "run", notify=stop, device="cpu")
    run = Run(tmp_path / "run")
    stopped = read_footprint(run)
    assert stopped is not None
    learn(pip, recipe, run, device="cpu")
    finished = read_footprint(run)
    assert finished is not None
    assert finished.seconds > stopped.seconds > 0
    assert finished.energy_wh > stopped.energy_wh > 0
    learn(pip, recipe, run, device="cpu")
    assert read_footprint(run) == finished


def test_prompt_only_has_one_too(run: Run) -> None:
    footprint = read_footprint(run)
    assert footprint is not None
    assert footprint.seconds < 60


def test_a_damaged_account_begins_again(run: Run) -> None:
    (run.folder / FOOTPRINT_FILE).write_text("{")
    assert read_footprint(run) is None
    assert spend(run, None, is_measured=True).energy_wh == 2.0


@pytest.mark.parametrize("intensity", [float("nan"), float("inf"), -1.0])
def test_an_impossible_grid_is_a_mistake(run: Run, intensity: float) -> None:
    with pytest.raises(UserError, match="grid intensity"), measuring(run, ignore, intensity):
        pass
