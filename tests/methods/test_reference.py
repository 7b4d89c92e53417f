"""A base is shown drawings: with nothing learned, and beside what was learned."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import Flux2KleinPipeline
from PIL import Image

from tests.bases.toy_flux2 import make_toy_flux2
from tests.toy_character import make_character, make_recipe
from understudy.domain import Pixels, Rights, Scene, Sketch, UserError
from understudy.methods import learn, open_base_painter, open_painter
from understudy.methods.painting import PipelinePainter
from understudy.pictures import draw
from understudy.provenance import read_record
from understudy.recipes import DrawSettings, Gan, Reference
from understudy.runs import Run, open_run

FAST = DrawSettings(steps=2, batch=4)
VIEWS = ("waving", "side view", "back view", "front view")
SCENE = Scene("a picture of Pip jumping", 3)


@pytest.fixture(scope="module")
def klein(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_flux2(tmp_path_factory.mktemp("bases") / "klein")


@pytest.fixture(scope="module")
def run(klein: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    pip = make_character(4)
    drawings = tuple(replace(one, caption=view) for one, view in zip(pip.drawings, VIEWS, strict=True))
    character = replace(pip, drawings=drawings, rights=Rights("Zoë", "CC-BY-4.0"))
    return learn(character, Reference(base=str(klein), max_references=3), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def tuned(klein: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    few = {"steps": 2, "prior_weight": 0.0, "snapshot_every": 2, "learning_rate": 0.05, "averaging": 0.0}
    recipe = make_recipe(klein).model_copy(update=few)
    return learn(make_character(4), recipe, tmp_path_factory.mktemp("tuned"))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the pipeline was asked, call by call."""
    heard: list[dict[str, Any]] = []
    own = Flux2KleinPipeline.__call__

    def call(pipe: Flux2KleinPipeline, **asked: Any) -> Any:
        heard.append(asked)
        return own(pipe, **asked)

    monkeypatch.setattr(Flux2KleinPipeline, "__call__", call)
    return heard


def paint(run: Run, scene: Scene, settings: DrawSettings = FAST, sketch: Sketch | None = None) -> Pixels:
    with open_painter(run) as painter:
        return next(painter([scene], settings, sketch)).pixels


def test_the_chosen_drawings_are_shown_each_on_paper(run: Run, calls: list[dict[str, Any]]) -> None:
    with open_painter(run) as painter:
        picture = next(painter([SCENE], FAST))
    assert picture.record["references"] == "04.png, 02.png, 03.png"  # front, side, back
    assert len(picture.record["references_sha256"].split(", ")) == 3
    assert picture.record["prompt_as_read"] == "a picture of the girl drawn in the reference images jumping"
    (asked,) = calls
    shown = [np.asarray(image) for image in asked["image"]]
    assert [image.shape for image in shown] == [(64, 64, 3)] * 3  # the toy's own 32 px are refused
    assert all((image[:, :4] > 240).all() for image in shown)
    assert len({image.tobytes() for image in shown}) == 3


def test_plain_diffusers_draws_the_same(run: Run, klein: Path, calls: list[dict[str, Any]]) -> None:
    found = paint(run, SCENE)
    asked = calls[0]
    pipe = Flux2KleinPipeline.from_pretrained(klein)
    images = pipe(
        image=asked["image"],
        prompt="a picture of the girl drawn in the reference images jumping",
        guidance_scale=FAST.guidance,
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(3),
        width=32,
        height=32,
        output_type="np",
    ).images
    assert np.abs(images[0] * 255 - found).mean() < 0.6


def test_what_is_shown_makes_a_difference(run: Run) -> None:
    one = paint(run, SCENE, FAST.model_copy(update={"references": 1}))
    assert not np.array_equal(one, paint(run, SCENE))


def test_a_prompt_without_the_name_is_shown_nothing(run: Run, calls: list[dict[str, Any]]) -> None:
    scenes = [Scene("Pip", 1), Scene("a castle", 2), Scene("a tree", 3), Scene("Pip sad", 4)]
    with open_painter(run) as painter:
        pictures = list(painter(scenes, FAST))
    assert [picture.scene for picture in pictures] == scenes
    assert ["image" in asked for asked in calls] == [True, False, True]
    assert ["references" in picture.record for picture in pictures] == [True, False, False, True]
    with open_base_painter(run) as base:
        alone = next(base(scenes[1:2], FAST)).pixels
    assert np.abs(alone.astype(int) - pictures[1].pixels).mean() <= 1


def test_it_goes_with_a_sketch(run: Run, calls: list[dict[str, Any]]) -> None:
    light, dark = (np.full((32, 32, 3), shade, np.uint8) for shade in (230, 20))
    first, second = (paint(run, SCENE, FAST, Sketch(pixels, 0.5)) for pixels in (light, dark))
    assert not np.array_equal(first, second)
    assert all(len(asked["image"]) == 3 and "latents" in asked for asked in calls)


def test_the_run_is_enough_to_draw_later_and_says_whose_it_is(run: Run, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(run.folder, moved)
    (path,) = draw(moved, [SCENE], FAST)
    record = read_record(path)
    assert record["drawings_artist"] == "Zoë"
    assert record["drawings_licence"] == "CC-BY-4.0"
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), paint(run, SCENE))
    shutil.rmtree(moved / "drawings")
    with pytest.raises(UserError, match="drawings"):
        draw(moved, [SCENE], FAST)


def test_a_damaged_choice_is_a_mistake_and_is_chosen_anew(run: Run, klein: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(run.folder, moved)
    (moved / "references.json").write_text('["../../secret.png"]')
    with pytest.raises(UserError, match=r"references\.json"):
        paint(open_run(moved), SCENE)
    (moved / "references.json").unlink()
    assert "references" in read_record(draw(moved, [SCENE], FAST)[0])


# ---------------------------------------------------------------- beside what was learned


def test_a_lora_may_be_shown_drawings_too(tuned: Run, calls: list[dict[str, Any]]) -> None:
    alone = paint(tuned, SCENE)
    settings = FAST.model_copy(update={"references": 2})
    with open_painter(tuned) as painter:
        picture = next(painter([SCENE], settings))
    assert ["image" in asked for asked in calls] == [False, True]
    assert len(calls[1]["image"]) == 2
    assert not np.array_equal(alone, picture.pixels)
    assert len(picture.record["references"].split(", ")) == 2
    with open_painter(tuned) as painter:
        assert isinstance(painter, PipelinePainter)
        assert "references" not in painter.record(SCENE, FAST)


def test_more_than_a_base_can_be_shown_is_refused(tuned: Run) -> None:
    with open_painter(tuned) as painter, pytest.raises(UserError, match="up to 4 drawings"):
        painter.canvas(DrawSettings(references=5))


def test_bases_and_methods_that_can_be_shown_nothing_refuse(toy_base: Path, tmp_path: Path) -> None:
    pip = make_character()
    with pytest.raises(UserError, match=r"FLUX\.2 klein"):
        learn(pip, Reference(base=str(toy_base)), tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    tuning = make_recipe(toy_base).model_copy(update={"steps": 1, "prior_weight": 0.0})
    for recipe in (tuning, Gan(size_px=32, channels=8, steps=1, batch=2, views=2)):
        run = learn(pip, recipe, tmp_path / recipe.method)
        with open_painter(run) as painter, pytest.raises(UserError, match="leave"):
            painter.canvas(DrawSettings(references=1))


def test_a_base_given_by_a_relative_path_is_found_from_anywhere(
    klein: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(klein.parent)
    run = learn(make_character(2), Reference(base=f"./{klein.name}"), tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    with open_painter(run):
        pass
