"""Families that can be shown drawings: their own pipelines draw the same, and what is shown counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.flux import pipeline_flux_kontext
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus

from tests.bases.plain_drawing import difference
from tests.bases.toys import FAMILIES, at_toy_size, make_toy
from tests.toy_character import make_character, make_recipe
from understudy.bases.base import Base
from understudy.bases.layouts import Family
from understudy.bases.opening import find_kind, open_base
from understudy.bases.pipelines import NO_REFERENCES
from understudy.domain import Pixels, Scene, Sketch, UserError
from understudy.drawings.references import lay_on_paper
from understudy.methods import learn, open_painter
from understudy.methods.painting import PipelinePainter
from understudy.recipes import DrawSettings, Reference
from understudy.runs import Plan, Run

SHOWN = tuple(family for family in FAMILIES if find_kind(family).max_references)
PLAN = Plan(device="cpu", precision="fp32", threads=1)
FAST = DrawSettings(steps=2, guidance=3.0)
SCENE = Scene("a picture of Pip jumping", 3)
SMALL = 64
"""Side of the pictures that the pipelines look at here, instead of a megapixel."""


@pytest.fixture(scope="module", params=SHOWN)
def family(request: pytest.FixtureRequest) -> Iterator[Family]:
    with at_toy_size():
        yield request.param


@pytest.fixture(scope="module")
def folder(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy(family, tmp_path_factory.mktemp("bases") / family)


@pytest.fixture(autouse=True)
def looking_at_small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [(SMALL, SMALL), (2 * SMALL, SMALL)]
    monkeypatch.setattr(pipeline_flux_kontext, "PREFERRED_KONTEXT_RESOLUTIONS", sizes)
    for knob in ("CONDITION_IMAGE_SIZE", "VAE_IMAGE_SIZE"):
        monkeypatch.setattr(pipeline_qwenimage_edit_plus, knob, SMALL**2)


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = Reference(base=str(folder), max_references=3)
    return learn(make_character(4), recipe, tmp_path_factory.mktemp("runs") / folder.name)


def paint(run: Run, settings: DrawSettings = FAST, sketch: Sketch | None = None) -> Pixels:
    with open_painter(run) as painter:
        return next(painter([SCENE], settings, sketch)).pixels


def plainly(base: Base, prompt: str, drawings: list[Pixels]) -> Pixels:
    """What the family's own pipeline draws when it is shown them."""
    pipe: Any = base.referring_pipe(None)
    image = pipe(
        **base.asking([prompt], [""], FAST.guidance),
        **base.sizing(base.size_px, base.size_px),
        **base.showing(drawings),
        num_inference_steps=FAST.steps,
        generator=torch.Generator().manual_seed(SCENE.seed),
        output_type="np",
    ).images[0]
    pixels: Pixels = np.round(image * 255).astype(np.uint8)
    return pixels


def test_draws_as_the_pipeline_that_is_shown_them(run: Run, folder: Path) -> None:
    with open_painter(run) as painter:
        assert isinstance(painter, PipelinePainter)
        picture = next(painter([SCENE], FAST))
        assert picture.record["references"].count(".png") == 3
        drawings = painter.shown(SCENE, FAST)
        prompt = painter.read(SCENE.prompt)
    base = open_base(folder, PLAN)
    laid = [lay_on_paper(one, base.size_px) for one in drawings]
    assert difference(picture.pixels, plainly(base, prompt, laid)) <= 0.5


def test_what_is_shown_makes_a_difference(run: Run) -> None:
    two = FAST.model_copy(update={"references": 2})
    assert not np.array_equal(paint(run), paint(run, two))


def test_what_was_learned_counts_beside_what_is_shown(folder: Path, tmp_path: Path) -> None:
    """References in context together with a learned LoRA, as plain diffusers draws with both."""
    knobs = {"prior_weight": 0.0, "averaging": 0.0, "learning_rate": 0.02}
    learned = learn(make_character(4), make_recipe(folder).model_copy(update=knobs), tmp_path / "learned")
    settings = FAST.model_copy(update={"references": 3})
    with open_painter(learned) as painter:
        assert isinstance(painter, PipelinePainter)
        picture = next(painter([SCENE], settings))
        without = next(painter([SCENE], FAST))
        assert picture.record["references"].count(".png") == 3
        drawings, prompt = painter.shown(SCENE, settings), painter.read(SCENE.prompt)
    newest = learned.newest()
    assert newest is not None
    base = open_base(folder, PLAN)
    laid = [lay_on_paper(one, base.size_px) for one in drawings]
    unlearned = plainly(base, prompt, laid)
    base.pipe.load_lora_weights(str(newest.folder))
    assert difference(picture.pixels, plainly(base, prompt, laid)) <= 0.5
    assert difference(picture.pixels, unlearned) > 1
    assert not np.array_equal(picture.pixels, without.pixels)


def test_several_scenes_are_drawn_as_each_alone(run: Run) -> None:
    scenes = [SCENE, Scene("a castle", 4), Scene("Pip", 5), Scene("Pip sad", 6)]
    with open_painter(run) as painter:
        together = [picture.pixels for picture in painter(scenes, FAST)]
        alone = [next(painter([scene], FAST)).pixels for scene in scenes]
    assert all(difference(one, other) <= 1 for one, other in zip(together, alone, strict=True))


def test_a_sketch_left_wholly_leaves_only_what_is_shown(run: Run) -> None:
    light, dark = (np.full((32, 32, 3), shade, np.uint8) for shade in (230, 20))
    half, other = (paint(run, FAST, Sketch(pixels, 0.5)) for pixels in (light, dark))
    assert not np.array_equal(half, other)
    whole, same = (paint(run, FAST, Sketch(pixels, 1.0)) for pixels in (light, dark))
    assert np.array_equal(whole, same)


@pytest.mark.parametrize("other", sorted(set(FAMILIES) - set(SHOWN)))
def test_the_others_refuse(other: Family, tmp_path: Path) -> None:
    base = open_base(make_toy(other, tmp_path), PLAN)
    with pytest.raises(UserError) as refused:
        base.showing([np.zeros((32, 32, 3), np.uint8)])
    assert str(refused.value) == NO_REFERENCES
