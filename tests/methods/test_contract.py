"""What every method promises, whatever it does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.toy_character import make_recipe
from understudy.domain import Character, Scene, UserError
from understudy.events import Cancelled, Event, Note, Step
from understudy.footprint import read_footprint
from understudy.methods import learn, open_base_painter, open_painter
from understudy.recipes import DrawSettings, DreamBoothLora, PromptOnly, Recipe
from understudy.runs import Run

METHODS = ("dreambooth-lora", "prompt-only")
FAST = DrawSettings(steps=2, batch=2)


def recipe_of(method: str, base: Path) -> Recipe:
    return PromptOnly(base=str(base)) if method == "prompt-only" else make_recipe(base)


@pytest.fixture(scope="module", params=METHODS)
def recipe(request: pytest.FixtureRequest, toy_base: Path) -> Recipe:
    return recipe_of(request.param, toy_base)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return []


@pytest.fixture(scope="module")
def run(recipe: Recipe, pip: Character, events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learn(pip, recipe, tmp_path_factory.mktemp("run"), notify=events.append)


def test_learning_ends_in_a_whole_checkpoint(run: Run, recipe: Recipe) -> None:
    newest = run.newest()
    assert newest is not None
    assert newest.step == (recipe.steps if isinstance(recipe, DreamBoothLora) else 0)


def test_progress_ends_where_it_should(run: Run, events: list[Event]) -> None:
    steps = [event for event in events if isinstance(event, Step)]
    assert steps[-1].phase == "learning"
    assert steps[-1].done == steps[-1].total
    assert all(step.done <= step.total for step in steps)


def test_the_same_call_changes_nothing(run: Run, recipe: Recipe, pip: Character) -> None:
    newest = run.newest()
    assert newest is not None
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*") if path.name != ".lock"}
    learn(pip, recipe, run)
    assert run.newest() == newest
    assert before == {path: path.stat().st_mtime_ns for path in run.folder.rglob("*") if path.name != ".lock"}


def test_another_character_is_refused(run: Run, recipe: Recipe, pip: Character) -> None:
    with pytest.raises(UserError, match="name"):
        learn(Character("Pop", pip.noun, pip.drawings), recipe, run)
    with pytest.raises(UserError, match="drawings"):
        learn(Character(pip.name, pip.noun, pip.drawings[:2]), recipe, run)


def test_paints_what_it_is_asked(run: Run) -> None:
    scenes = [Scene("a picture of Pip sad", seed) for seed in (5, 6, 7)]
    with open_painter(run) as painter:
        assert painter.follows_text
        pictures = list(painter(scenes, FAST))
        again = list(painter(scenes, FAST))
    assert [picture.scene for picture in pictures] == scenes
    for picture, same in zip(pictures, again, strict=True):
        assert picture.pixels.shape == (32, 32, 3)
        assert picture.pixels.dtype == np.uint8
        assert np.array_equal(picture.pixels, same.pixels)
        assert picture.record == same.record
    assert not np.array_equal(pictures[0].pixels, pictures[1].pixels)


def test_record_says_how_it_came_to_be(run: Run, recipe: Recipe) -> None:
    with open_painter(run) as painter:
        record = next(painter([Scene("a picture of Pip", 5, "hands")], FAST)).record
    expected = "a picture of Pip" if isinstance(recipe, DreamBoothLora) else "a picture of a girl"
    assert record["prompt_as_read"] == expected
    assert record["negative"] == "hands"
    assert record["seed"] == "5"
    assert record["method"] == recipe.method
    assert record["base"] == "toy"
    assert Path(run.manifest.base).is_absolute()
    assert record["base_sha256"] == run.manifest.base_sha256
    assert bool(record["weights_sha256"]) == isinstance(recipe, DreamBoothLora)


def test_drawing_tells_its_steps_and_what_was_cut_and_can_be_stopped(run: Run) -> None:
    seen: list[Event] = []
    scenes = [Scene("a picture of Pip " + "very " * 20, seed) for seed in range(3)]
    with open_painter(run, notify=seen.append) as painter:
        pictures = list(painter(scenes, FAST))
    steps = [event for event in seen if isinstance(event, Step)]
    assert steps == [Step("denoising", done, 4) for done in (1, 2, 3, 4)]
    assert sum(isinstance(event, Note) for event in seen) == 1
    assert len(pictures[0].record["prompt_as_read"]) < len(scenes[0].prompt)

    def stop(event: Event) -> None:
        raise Cancelled

    with open_painter(run, notify=stop) as painter, pytest.raises(Cancelled):
        next(painter([Scene("Pip")], FAST))


def test_the_base_alone_is_what_it_was_before_learning(run: Run, recipe: Recipe) -> None:
    scenes = [Scene("a picture of a girl", 5)]
    with open_base_painter(run) as base, open_painter(run) as painter:
        before, after = (next(each(scenes, FAST)).pixels for each in (base, painter))
    assert np.array_equal(before, after) == isinstance(recipe, PromptOnly)


def test_learning_has_a_footprint(run: Run) -> None:
    footprint = read_footprint(run)
    assert footprint is not None
    assert footprint.seconds > 0
    assert footprint.peak_memory_bytes > 10_000_000


def test_no_scenes_no_pictures(run: Run) -> None:
    with open_painter(run) as painter:
        assert list(painter([], FAST)) == []


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_base_is_a_mistake(method: str, pip: Character, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="base"):
        learn(pip, recipe_of(method, tmp_path / "nowhere"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_device_is_a_mistake(method: str, toy_base: Path, pip: Character, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="device"):
        learn(pip, recipe_of(method, toy_base), tmp_path / "run", device="cuda:77")
