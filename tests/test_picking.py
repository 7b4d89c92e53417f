"""The best of many; the judge here is a test's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from understudy.domain import Character, Picture, Scene, UserError, Verdict
from understudy.events import Event, Note
from understudy.methods import learn
from understudy.picking import OTHERS, draw_best, rank_verdicts
from understudy.provenance import read_record
from understudy.recipes import DrawSettings, PromptOnly
from understudy.runs import Run

FAST = DrawSettings(steps=1)
LIKENESS = {0: 0.2, 1: 0.9, 2: 0.5, 3: 0.7}
PROMPTS = ["a picture of Pip waving", "a picture of Pip sad"]


def likes_two(pictures: Sequence[Picture], character: Character) -> list[Verdict]:
    """Passes seed 2 alone; of the others, finds 1 the likest."""
    assert character.name == "Pip"
    return [
        Verdict(
            picture.scene,
            LIKENESS[picture.scene.seed],
            picture.scene.seed == 2,
            {},
            damage=0.0,
            damaged=False,
        )
        for picture in pictures
    ]


@pytest.fixture(scope="module")
def run(toy_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learn(pip, PromptOnly(base=str(toy_base)), tmp_path_factory.mktemp("run"), device="cpu")


def test_what_passes_is_kept_first_then_the_likest(run: Run, tmp_path: Path) -> None:
    told: list[Event] = []
    best = draw_best(
        run, PROMPTS, 2, 4, 0, FAST, tmp_path, told.append, device="cpu", judge_pictures=likes_two
    )
    assert Note(f"Those that were not picked lie in {tmp_path / OTHERS}.") in told
    records = [read_record(path) for path in best]
    assert [(record["prompt"], record["seed"]) for record in records] == [
        (prompt, seed) for prompt in PROMPTS for seed in ("2", "1")
    ]
    assert [record["picked"] for record in records] == ["1 of 4", "2 of 4"] * 2
    assert [record["picked_passed"] for record in records] == ["yes", "no"] * 2
    assert records[0]["picked_likeness"] == "0.500"
    others = sorted((tmp_path / OTHERS).glob("*.png"))
    assert sorted(read_record(path)["seed"] for path in others) == ["0", "0", "3", "3"]
    assert not any("picked" in read_record(path) for path in others)
    assert len(list((tmp_path / OTHERS).glob("*.json"))) == 4
    assert sorted(tmp_path.glob("*.png")) == sorted(best)


def test_the_identical_call_keeps_the_identical_files(run: Run, tmp_path: Path) -> None:
    first, second = (
        draw_best(run, PROMPTS[:1], 1, 3, 0, FAST, tmp_path / name, device="cpu", judge_pictures=likes_two)
        for name in ("a", "b")
    )
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert [path.name for path in first] == [path.name for path in second]


def test_more_than_are_drawn_cannot_be_kept(run: Run) -> None:
    with pytest.raises(UserError, match="best 5 of 4"):
        draw_best(run, PROMPTS, 5, 4, judge_pictures=likes_two)


def test_equals_keep_their_order() -> None:
    same = [Verdict(Scene("", seed), 0.5, True, {}, 0.0, False) for seed in range(3)]
    assert rank_verdicts(same) == [0, 1, 2]
