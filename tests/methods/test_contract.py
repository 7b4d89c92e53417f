"""What every method promises, whatever it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.bases.toy_flux2 import make_toy_flux2
from tests.killing import Killed
from tests.toy_character import (
    make_lora_recipe,
    make_recipe,
    make_recipe_from_nothing,
    make_whole_recipe,
    make_word_recipe,
)
from understudy.domain import Character, Scene, Sketch, UserError
from understudy.events import Cancelled, Event, Note, Step, ignore
from understudy.footprint import read_footprint
from understudy.methods import learn, open_base_painter, open_painter
from understudy.methods.painting import Painter
from understudy.recipes import (
    RECIPES,
    Adapter,
    DrawSettings,
    FromNothing,
    Learning,
    PromptOnly,
    Recipe,
    Reference,
    TextualInversion,
)
from understudy.runs import Run

METHODS = tuple(RECIPES)
EVERY_READER: Mapping[str, object] = {"vectors": 2, "word_steps": 5, "text_learning_rate": 1e-3}
ADAPTERS: dict[str, Adapter] = {"dora": "dora", "rslora": "rslora", "oft": "oft", "lokr": "lokr"}
VARIANTS = (
    *METHODS,
    *ADAPTERS,
    "pull",
    "min_rank",
    "dreambooth-lora with all that reads",
    "dreambooth with all that reads",
    "dreambooth as a pipeline",
)
ON_A_BASE = tuple(name for name in VARIANTS if name not in ("gan", "scratch-diffusion"))
LEARNING = tuple(name for name in VARIANTS if name not in ("prompt-only", "reference"))
WITH_BASE = tuple(method for method, recipe in RECIPES.items() if not issubclass(recipe, FromNothing))
FAST = DrawSettings(steps=2, batch=2)


def recipe_of(method: str, base: Path) -> Recipe:
    match method:
        case "prompt-only":
            return PromptOnly(base=str(base))
        case "reference":
            return Reference(base=str(base), max_references=2)
        case "gan" | "scratch-diffusion":
            return make_recipe_from_nothing(method)
        case "lora":
            return make_lora_recipe(base)
        case "pull":
            return make_recipe(base, "dora").model_copy(update={"pull": 0.1})
        case "min_rank":
            return make_recipe(base).model_copy(update={"min_rank": 1})
        case "textual-inversion":
            return make_word_recipe(base)
        case "dreambooth":
            return make_whole_recipe(base)
        case "dreambooth with all that reads":
            return make_whole_recipe(base).model_copy(
                update={"text_learning_rate": 1e-3, "checkpointing": "whole"}
            )
        case "dreambooth as a pipeline":
            return make_whole_recipe(base).model_copy(update={"save_as": "pipeline", "averaging": 0.0})
        case "dreambooth-lora with all that reads":
            return make_recipe(base).model_copy(update=EVERY_READER)
        case _:
            return make_recipe(base, ADAPTERS.get(method, "lora"))


def tensors_of(run: Run) -> dict[str, torch.Tensor]:
    """All that the newest checkpoint holds, by file and name."""
    newest = run.newest_state()
    assert newest is not None
    files = sorted(newest.folder.glob("*.safetensors"))
    return {f"{file.name} {name}": one for file in files for name, one in load_file(file).items()}


@pytest.fixture(scope="session")
def toy_klein(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that can be shown drawings."""
    return make_toy_flux2(tmp_path_factory.mktemp("klein") / "toy")


@pytest.fixture(scope="module", params=VARIANTS)
def recipe(request: pytest.FixtureRequest, toy_base: Path, toy_klein: Path) -> Recipe:
    return recipe_of(request.param, toy_klein if request.param == "reference" else toy_base)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return []


@pytest.fixture(scope="module")
def run(recipe: Recipe, pip: Character, events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learn(pip, recipe, tmp_path_factory.mktemp("run"), notify=events.append)


@pytest.fixture(scope="module")
def painter(run: Run) -> Iterator[Painter]:
    """Of the run, opened once for all that only draw with it."""
    with open_painter(run) as painter:
        yield painter


def test_learning_ends_in_a_whole_checkpoint(run: Run, recipe: Recipe) -> None:
    newest = run.newest()
    assert newest is not None
    assert newest.step == (recipe.steps if isinstance(recipe, Learning) else 0)


@pytest.mark.parametrize("recipe", LEARNING, indirect=True)
def test_a_stop_and_a_kill_end_in_the_same_weights(
    run: Run, recipe: Recipe, pip: Character, tmp_path: Path
) -> None:
    def end(step: int, how: type[BaseException]) -> Callable[[Event], None]:
        def notify(event: Event) -> None:
            if isinstance(event, Step) and event.phase == "learning" and event.done == step:
                raise how

        return notify

    for step, how in ((2, Cancelled), (5, Killed)):  # the newest checkpoint is then that of step 3
        with pytest.raises(how):
            learn(pip, recipe, tmp_path, notify=end(step, how))
    again = learn(pip, recipe, tmp_path, notify=ignore)
    expected, found = tensors_of(run), tensors_of(again)
    assert expected.keys() == found.keys()
    assert [name for name, one in expected.items() if not torch.equal(one, found[name])] == []
    straight, resumed = run.newest(), again.newest()
    assert straight is not None
    assert resumed is not None
    assert {file: straight.sha256[file] for file in straight.weights} == {
        file: resumed.sha256[file] for file in resumed.weights
    }


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


def test_paints_what_it_is_asked(painter: Painter, recipe: Recipe) -> None:
    scenes = [Scene("a picture of Pip sad", seed) for seed in (5, 6, 7)]
    assert painter.follows_text != isinstance(recipe, FromNothing)
    pictures = list(painter(scenes, FAST))
    again = list(painter(scenes, FAST))
    assert [picture.scene for picture in pictures] == scenes
    for picture, same in zip(pictures, again, strict=True):
        assert picture.pixels.shape == (32, 32, 3)
        assert picture.pixels.dtype == np.uint8
        assert np.array_equal(picture.pixels, same.pixels)
        assert picture.record == same.record
    assert not np.array_equal(pictures[0].pixels, pictures[1].pixels)


@pytest.mark.parametrize("recipe", ON_A_BASE, indirect=True)
def test_draws_on_from_a_sketch(painter: Painter) -> None:
    light, dark = (np.full((32, 32, 3), shade, np.uint8) for shade in (200, 50))
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    scene = Scene("a picture of Pip", 5)
    sketches = (None, Sketch(light, 0.5), Sketch(dark, 0.5), Sketch(light, 0.5, mask))
    drawn = [next(painter([scene], FAST, sketch)).pixels for sketch in sketches]
    assert len({pixels.tobytes() for pixels in drawn}) == len(sketches)


def test_record_says_how_it_came_to_be(painter: Painter, recipe: Recipe) -> None:
    record = next(painter([Scene("a picture of Pip", 5, "hands")], FAST)).record
    assert record["prompt"] == "a picture of Pip"
    assert record["negative"] == "hands"
    assert record["seed"] == "5"
    assert record["method"] == recipe.method
    assert bool(record["weights_sha256"]) == isinstance(recipe, Learning)


def test_record_says_which_base(run: Run, painter: Painter, recipe: Recipe) -> None:
    record = next(painter([Scene("a picture of Pip", 5)], FAST)).record
    if isinstance(recipe, FromNothing):
        assert run.manifest.base is None
        assert not {"base", "base_sha256", "prompt_as_read"} & record.keys()
        return
    assert record["prompt_as_read"] == f"a picture of {recipe.words('Pip', 'girl')}"
    assert record["base"] == "toy"
    assert run.manifest.base is not None
    assert Path(run.manifest.base).is_absolute()
    assert record["base_sha256"] == run.manifest.base_sha256


@pytest.mark.parametrize("recipe", ON_A_BASE, indirect=True)
def test_drawing_tells_its_steps_and_what_was_cut_and_can_be_stopped(run: Run) -> None:
    seen: list[Event] = []
    stopped = False

    def listen(event: Event) -> None:
        seen.append(event)
        if stopped:
            raise Cancelled

    scenes = [Scene("a picture of Pip " + "very " * 120, seed) for seed in range(3)]
    with open_painter(run, notify=listen) as painter:
        pictures = list(painter(scenes, FAST))
        told, stopped = [*seen], True
        with pytest.raises(Cancelled):
            next(painter([Scene("Pip")], FAST))
    steps = [event for event in told if isinstance(event, Step)]
    assert steps == [Step("denoising", done, 4) for done in (1, 2, 3, 4)]
    assert sum(isinstance(event, Note) for event in told) == 1
    assert len(pictures[0].record["prompt_as_read"]) < len(scenes[0].prompt)


def test_the_base_alone_is_what_it_was_before_learning(run: Run, painter: Painter, recipe: Recipe) -> None:
    if isinstance(recipe, FromNothing):
        with pytest.raises(UserError, match="without a base"), open_base_painter(run):
            pass
        return
    scenes = [Scene("a picture of a girl", 5)]
    with open_base_painter(run) as base:
        before, after = (next(each(scenes, FAST)).pixels for each in (base, painter))
    # Of a prompt that does not say the character's name.
    assert np.array_equal(before, after) == isinstance(recipe, PromptOnly | Reference | TextualInversion)


def test_learning_has_a_footprint(run: Run) -> None:
    footprint = read_footprint(run)
    assert footprint is not None
    assert footprint.seconds > 0
    assert footprint.peak_memory_bytes > 10_000_000


def test_no_scenes_no_pictures(painter: Painter) -> None:
    assert list(painter([], FAST)) == []


@pytest.mark.parametrize("method", WITH_BASE)
def test_a_missing_base_is_a_mistake(method: str, pip: Character, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="base"):
        learn(pip, recipe_of(method, tmp_path / "nowhere"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_device_is_a_mistake(
    method: str, toy_base: Path, toy_klein: Path, pip: Character, tmp_path: Path
) -> None:
    base = toy_klein if method == "reference" else toy_base
    with pytest.raises(UserError, match="device"):
        learn(pip, recipe_of(method, base), tmp_path / "run", device="cuda:77")
