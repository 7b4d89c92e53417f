"""Adapters that are learned together are those that are learned alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.killing import Killed
from tests.toy_character import make_recipe
from understudy.domain import Character, Scene, UserError
from understudy.events import Cancelled, Event, Step, ignore
from understudy.footprint import read_footprint
from understudy.methods import learn, learn_together, learning_together, open_painter
from understudy.methods.adapters import WEIGHTS_FILE
from understudy.recipes import DrawSettings, DreamBoothLora, Finetune
from understudy.runs import Run, open_run

ROUNDING = 1e-5
"""Largest difference of the weights, as a share of their norm; 1e-6 is usual after nine steps."""


def make_recipes(base: Path) -> dict[str, DreamBoothLora]:
    plain = make_recipe(base).model_copy(update={"accumulation": 2})
    knobs: dict[str, dict[str, object]] = {
        "fast": {"learning_rate": 6e-3},
        "small": {"rank": 2, "alpha": 1.0},
        "other": {"seed": 7},
        "by_noise": {"min_rank": 1},
    }
    return {name: plain.model_copy(update=own) for name, own in knobs.items()}


def learn_in(
    folder: Path,
    recipes: Mapping[str, DreamBoothLora],
    pip: Character,
    notify: Callable[[Event], None] = ignore,
) -> list[Run]:
    return learn_together(pip, {folder / name: recipe for name, recipe in recipes.items()}, notify)


def tensors_of(run: Run) -> dict[str, torch.Tensor]:
    newest = run.newest_state()
    assert newest is not None
    files = sorted(newest.folder.glob("*.safetensors"))
    return {f"{file.name} {name}": one for file in files for name, one in load_file(file).items()}


def end_at(step: int, how: type[BaseException]) -> Callable[[Event], None]:
    def notify(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "learning" and event.done == step:
            raise how

    return notify


@pytest.fixture(scope="module")
def recipes(toy_base: Path) -> dict[str, DreamBoothLora]:
    return make_recipes(toy_base)


@pytest.fixture(scope="module")
def together(
    recipes: dict[str, DreamBoothLora], pip: Character, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Run]:
    runs = learn_in(tmp_path_factory.mktemp("together"), recipes, pip)
    return {run.folder.name: run for run in runs}


@pytest.mark.parametrize("name", ["fast", "small", "other", "by_noise"])
def test_each_ends_as_if_it_were_alone(
    name: str, together: dict[str, Run], recipes: dict[str, DreamBoothLora], pip: Character, tmp_path: Path
) -> None:
    alone = learn(pip, recipes[name], tmp_path)
    expected, found = tensors_of(alone), tensors_of(together[name])
    assert expected.keys() == found.keys()
    for file in (WEIGHTS_FILE, "state.safetensors weights"):
        difference, weights = (
            torch.cat([one.flatten() for key, one in tensors.items() if key.startswith(file)])
            for tensors in ({key: found[key] - one for key, one in expected.items()}, expected)
        )
        assert difference.norm() < ROUNDING * weights.norm()
    ups = [tensor for key, tensor in expected.items() if key.startswith(WEIGHTS_FILE) and "lora_B" in key]
    assert all(tensor.abs().max() > 0 for tensor in ups)
    assert [one.step for one in together[name].checkpoints()] == [one.step for one in alone.checkpoints()]
    for file in ("examples.safetensors", "class_pictures/0002.png"):
        assert (together[name].folder / file).read_bytes() == (alone.folder / file).read_bytes()


def test_each_has_its_own_log_recipe_and_share_of_the_cost(
    together: dict[str, Run], recipes: dict[str, DreamBoothLora]
) -> None:
    for name, run in together.items():
        assert run.recipe == recipes[name]
        assert {"step": 9, "reviewed": True} in run.read_log()
        footprint = read_footprint(run)
        assert footprint is not None
        assert footprint.seconds > 0


def test_a_stop_and_a_kill_end_in_the_same_weights(
    together: dict[str, Run], recipes: dict[str, DreamBoothLora], pip: Character, tmp_path: Path
) -> None:
    for step, how in ((2, Cancelled), (5, Killed)):
        with pytest.raises(how):
            learn_in(tmp_path, recipes, pip, end_at(step, how))
    # As if the kill had come when only one of them was saved.
    behind = open_run(tmp_path / "small").newest_state()
    assert behind is not None
    (behind.folder / "checkpoint.json").unlink()
    for run in learn_in(tmp_path, recipes, pip):
        expected, found = tensors_of(together[run.folder.name]), tensors_of(run)
        assert expected.keys() == found.keys()
        assert [key for key, one in expected.items() if not torch.equal(one, found[key])] == []


def test_the_same_call_changes_nothing(
    together: dict[str, Run], recipes: dict[str, DreamBoothLora], pip: Character
) -> None:
    folder = together["fast"].folder.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock"}
    learn_in(folder, recipes, pip)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock"}


def test_only_what_is_not_begun_is_checked_and_as_large_as_all_are(
    together: dict[str, Run],
    recipes: dict[str, DreamBoothLora],
    pip: Character,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(recipe: Finetune, device: str, notify: object) -> None:
        raise UserError(f"no room for {recipe.batch} pictures")

    monkeypatch.setattr(learning_together, "check_before_fetching", refuse)
    learn_in(together["fast"].folder.parent, recipes, pip)  # begun, with a plan that stands
    with pytest.raises(UserError, match=f"for {4 * recipes['fast'].batch} pictures"):
        learn_in(tmp_path, recipes, pip)


def test_a_run_that_was_begun_alone_goes_on_alone(
    together: dict[str, Run], recipes: dict[str, DreamBoothLora], pip: Character, tmp_path: Path
) -> None:
    with pytest.raises(Cancelled):
        learn(pip, recipes["fast"], tmp_path / "fast", notify=end_at(5, Cancelled))
    begun_at = []

    def notify(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "learning" and not begun_at:
            begun_at.append(event.done)

    runs = learn_in(tmp_path, recipes, pip, notify)
    assert begun_at == [5]
    newest = [run.newest() for run in runs]
    assert [one.step for one in newest if one] == [9] * len(recipes)


def test_each_draws(together: dict[str, Run]) -> None:
    with open_painter(together["other"]) as painter:
        picture = next(painter([Scene("a picture of Pip", 5)], DrawSettings(steps=2)))
    assert picture.record["run"] == "other"


def test_what_cannot_be_learned_together_is_a_mistake(
    recipes: dict[str, DreamBoothLora], pip: Character, tmp_path: Path
) -> None:
    longer = recipes["fast"].model_copy(update={"steps": 20})
    with pytest.raises(UserError, match="learning_rate"):
        learn_in(tmp_path, {"a": recipes["fast"], "b": longer}, pip)
    with pytest.raises(UserError, match="same name"):
        learn_together(pip, {tmp_path / "a" / "x": recipes["fast"], tmp_path / "b" / "x": recipes["small"]})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "knobs",
    [
        {"adapter": "dora"},
        {"vectors": 1},
        {"text_learning_rate": 1e-4},
        {"pull": 1.0},
        {"optimizer": "adam-8bit"},
    ],
    ids=lambda knobs: next(iter(knobs)),
)
def test_what_can_only_be_learned_alone_is_a_mistake(
    knobs: dict[str, object], recipes: dict[str, DreamBoothLora], pip: Character, tmp_path: Path
) -> None:
    alike = {name: one.model_copy(update=knobs) for name, one in recipes.items()}
    for asked in (alike, {"fast": alike["fast"]}):
        with pytest.raises(UserError, match=next(iter(knobs))):
            learn_in(tmp_path, asked, pip)
    assert not list(tmp_path.iterdir())
