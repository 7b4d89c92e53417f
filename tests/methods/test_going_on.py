"""Whatever stops a run of DreamBooth with LoRA, the same command goes on from it to the same weights."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.methods.saved_state import assert_same, weights_and_state
from tests.toy_character import make_recipe
from understudy.domain import Character
from understudy.events import Cancelled, Event, Step
from understudy.methods import learn
from understudy.methods.adapters import WEIGHTS_FILE
from understudy.methods.reviewing import Continue, Snapshot, Stop
from understudy.runs import STATE_FILE, Run, open_run, writing
from understudy.runs.writing import hash_file


def stop_at(step: int) -> Callable[[Event], None]:
    def notify(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "learning" and event.done == step:
            raise Cancelled

    return notify


def test_going_on_after_a_stop_is_exact(
    straight: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe = make_recipe(toy_base)
    for step in (2, 5, 7):
        with pytest.raises(Cancelled):
            learn(pip, recipe, tmp_path, notify=stop_at(step))
        newest = open_run(tmp_path).newest_state()
        assert newest is not None
        assert newest.step == step
    assert_same(weights_and_state(learn(pip, recipe, tmp_path)), weights_and_state(straight))
    assert [entry["step"] for entry in open_run(tmp_path).read_log()] == [
        entry["step"] for entry in straight.read_log()
    ]


def test_going_on_reads_a_checkpoint_once_to_know_that_it_is_whole(
    toy_base: Path, pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(toy_base)
    with pytest.raises(Cancelled):
        learn(pip, recipe, tmp_path, notify=stop_at(8))
    read: Counter[str] = Counter()

    def count(path: Path) -> str:
        read["/".join(path.parts[-2:])] += 1
        return hash_file(path)

    monkeypatch.setattr(writing, "hash_file", count)
    learn(pip, recipe, tmp_path)
    before = {name: times for name, times in read.items() if not name.startswith(".draft")}
    assert before == {f"000008/{file}": 1 for file in (WEIGHTS_FILE, STATE_FILE)}
    assert set(read.values()) == {1}


def test_more_steps_go_on_as_if_they_had_been_asked_for_at_once(
    straight: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    short = make_recipe(toy_base).model_copy(update={"steps": 4})
    learn(pip, short, tmp_path)
    assert_same(weights_and_state(learn(pip, make_recipe(toy_base), tmp_path)), weights_and_state(straight))


def test_a_broken_newest_checkpoint_costs_steps_only(
    straight: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe = make_recipe(toy_base)
    with pytest.raises(Cancelled):
        learn(pip, recipe, tmp_path, notify=stop_at(8))
    broken = tmp_path / "checkpoints" / "000008" / STATE_FILE
    broken.write_bytes(broken.read_bytes()[:-100])
    assert_same(weights_and_state(learn(pip, recipe, tmp_path)), weights_and_state(straight))


def test_the_reviewer_sees_snapshots_and_may_stop(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    seen = []

    def review(snapshot: Snapshot) -> Continue | Stop:
        seen.append((snapshot.checkpoint.step, snapshot.total))
        assert snapshot.checkpoint.is_whole(*snapshot.checkpoint.weights)
        return Stop() if snapshot.checkpoint.step == 6 else Continue()

    recipe = make_recipe(toy_base)
    run = learn(pip, recipe, tmp_path, review)
    assert seen == [(3, 9), (6, 9)]
    learn(pip, recipe, tmp_path, review)
    assert len(seen) == 2
    learn(pip, recipe.model_copy(update={"steps": 12}), run, review)
    assert seen[2:] == [(9, 12), (12, 12)]


def test_a_snapshot_that_a_kill_left_unreviewed_is_reviewed_first(
    toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    seen = []

    def review(snapshot: Snapshot) -> Continue | Stop:
        seen.append(snapshot.checkpoint.step)
        return Continue()

    recipe = make_recipe(toy_base)
    for step in (3, 9):
        with pytest.raises(Cancelled):
            learn(pip, recipe, tmp_path, review, stop_at(step))
    for _ in range(2):
        learn(pip, recipe, tmp_path, review)
    assert seen == [3, 6, 9]


def test_broken_examples_are_made_again(
    straight: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe = make_recipe(toy_base)
    with pytest.raises(Cancelled):
        learn(pip, recipe, tmp_path, notify=stop_at(5))
    for file in ("examples.safetensors", "class_pictures/0001.png"):
        path = tmp_path / file
        path.write_bytes(path.read_bytes()[:-100])
    assert_same(weights_and_state(learn(pip, recipe, tmp_path)), weights_and_state(straight))


LEARN = """
import sys, time
from pathlib import Path
from tests.toy_character import make_character, make_recipe
from understudy.methods import learn
learn(make_character(), make_recipe(Path(sys.argv[1])), sys.argv[2], notify=lambda event: time.sleep(0.03))
"""


def start_learning(base: Path, run: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", LEARN, base, run],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_kill_and_the_same_command_again_end_in_the_same_weights(
    straight: Run, toy_base: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for kill in range(2):
        process = start_learning(toy_base, run)
        wait_for(run / "checkpoints" / f"00000{3 + 3 * kill}", process)
        time.sleep(random.uniform(0, 0.08))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert open_run(run).newest_state() is not None
    process = start_learning(toy_base, run)
    assert process.wait(300) == 0
    assert_same(weights_and_state(open_run(run)), weights_and_state(straight))


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 300
    while not path.exists():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.002)
