"""Sweeps: which runs come of them, which are learned at once, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.toy_character import make_recipe
from understudy.domain import Character, UserError
from understudy.events import Event, Note, Step
from understudy.recipes import PromptOnly, Recipe
from understudy.runs import open_run
from understudy.sweeps import MOST_AT_ONCE, combine, sweep


def test_every_combination_has_a_name() -> None:
    found = combine({"learning_rate": ["1e-4", "1e-3"], "rank": [4, 16]})
    assert list(found) == [
        "learning_rate=1e-4,rank=4",
        "learning_rate=1e-4,rank=16",
        "learning_rate=1e-3,rank=4",
        "learning_rate=1e-3,rank=16",
    ]
    assert found["learning_rate=1e-3,rank=4"] == {"learning_rate": "1e-3", "rank": 4}


@pytest.mark.parametrize("values", [[4, 4], [""], ["a/b"], ["a:b"]])
def test_values_that_give_no_folders_are_a_mistake(values: list[object]) -> None:
    with pytest.raises(UserError):
        combine({"rank": values})


def test_those_that_can_are_learned_at_once_and_what_is_finished_is_skipped(
    toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    plain = make_recipe(toy_base).model_copy(update={"steps": 1})
    recipes: dict[Path, Recipe] = {
        tmp_path / f"rank={rank}": plain.model_copy(update={"rank": rank}) for rank in (1, 2)
    }
    recipes[tmp_path / "two steps"] = plain.model_copy(update={"steps": 2})
    recipes[tmp_path / "words"] = PromptOnly(base=str(toy_base), trial_pictures=1, trial_steps=1)
    events: list[Event] = []
    runs = sweep(pip, recipes, events.append)
    assert [run.folder for run in runs] == list(recipes)
    assert [run.recipe for run in runs] == list(recipes.values())
    assert [event.text for event in events if isinstance(event, Note)] == [
        "1 of 3: rank=1, rank=2.",
        "2 of 3: two steps.",
        "3 of 3: words.",
    ]
    assert open_run(tmp_path / "rank=2").manifest.learned_with == ("rank=1", "rank=2")
    assert open_run(tmp_path / "two steps").manifest.learned_with == ()

    recipes[tmp_path / "rank=3"] = plain.model_copy(update={"rank": 3})
    before = (tmp_path / "rank=1" / "run.json").stat().st_mtime_ns
    again: list[Event] = []
    sweep(pip, recipes, again.append)
    steps = [event for event in again if isinstance(event, Step) and event.phase == "learning"]
    assert len([step for step in steps if step.done < step.total]) == 1
    assert (tmp_path / "rank=1" / "run.json").stat().st_mtime_ns == before
    assert open_run(tmp_path / "rank=3").newest() is not None


def test_what_cannot_be_learned_at_once_is_learned_one_after_another(
    toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    small: dict[str, object] = {"steps": 1, "prior_weight": 0.0, "views": 1, "vectors": 1}
    plain = make_recipe(toy_base).model_copy(update=small)
    recipes = {tmp_path / f"rank={rank}": plain.model_copy(update={"rank": rank}) for rank in (1, 2)}
    runs = sweep(pip, recipes)
    assert [run.manifest.learned_with for run in runs] == [(), ()]
    assert all(run.newest() is not None for run in runs)


def test_no_more_are_learned_at_once_than_fit(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    plain = make_recipe(toy_base).model_copy(update={"steps": 1, "prior_weight": 0.0, "views": 1})
    recipes = {
        tmp_path / f"alpha={alpha}": plain.model_copy(update={"alpha": float(alpha)})
        for alpha in range(1, MOST_AT_ONCE + 3)
    }
    together = [len(run.manifest.learned_with) for run in sweep(pip, recipes)]
    assert together == [MOST_AT_ONCE] * MOST_AT_ONCE + [2, 2]
