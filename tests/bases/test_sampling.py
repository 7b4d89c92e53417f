"""Pictures while a base learns: what is shown after a step is what that step's weights draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from tests.bases.plain_drawing import difference
from tests.bases.test_families import SIX, make_recipe
from tests.bases.toys import FAMILIES, at_toy_size, make_toy
from tests.killing import Killed
from tests.toy_character import make_lora_recipe, make_whole_recipe, make_word_recipe
from understudy.bases.layouts import Family
from understudy.domain import Pixels, Scene
from understudy.methods import learn, open_base_painter, open_painter, sampling
from understudy.methods.painting import Painter
from understudy.methods.sampling import NUM_STEPS, SEED
from understudy.methods.together import can_join
from understudy.provenance import is_drawn, read_record
from understudy.recipes import DrawSettings, Finetune
from understudy.runs import Checkpoint, Run

SHORT = {"steps": 4, "snapshot_every": 2, "samples_every": 2, "averaging": 0.5, "learning_rate": 0.03}
OF_NOISE: tuple[Family, ...] = ("sd1", "sdxl")
OTHERWISE_GUIDED: tuple[Family, ...] = ("flux", "kontext", "qwen", "qwen-edit")
"""By a number that the transformer hears, or scaled back to the length of the answer."""


@pytest.fixture(autouse=True)
def guidance(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """What is drawn with: none, by which all can be compared, where a family's is not the classifier-free one
    as it was published."""
    callspec = getattr(request.node, "callspec", None)
    family = None if callspec is None else callspec.params.get("family")
    asked = 1.0 if family in OTHERWISE_GUIDED else 3.0
    monkeypatch.setattr(sampling, "suited_settings", lambda run: DrawSettings(guidance=asked))
    return asked


def sample(run: Run, name: str) -> Pixels:
    path = run.folder / "samples" / name
    assert is_drawn(path)
    with Image.open(path) as image:
        return np.asarray(image)


def draw(painter: Painter, prompt: str, family: Family, guidance: float) -> Pixels:
    scheduler = "ddim" if family in OF_NOISE else None
    settings = DrawSettings(steps=NUM_STEPS, guidance=guidance, scheduler=scheduler)
    (picture,) = painter([Scene(prompt, SEED)], settings)
    return picture.pixels


@pytest.mark.parametrize("family", FAMILIES)
def test_shows_what_the_weights_of_that_step_draw(family: Family, guidance: float, tmp_path: Path) -> None:
    with at_toy_size():
        folder = make_toy(family, tmp_path / "base")
        scenes = ("a picture of {name}", "a picture of Pip waving")
        recipe = make_recipe(folder, **SHORT, sample_prompts=scenes, min_rank=2)
        run = learn(SIX, recipe, tmp_path / "run")
        with open_base_painter(run) as painter:
            before = draw(painter, "a picture of Pip", family, guidance)
        kept = [checkpoint for checkpoint in run.checkpoints() if checkpoint.keep]
        for checkpoint in kept:
            with open_painter(run, checkpoint) as painter:
                drawn = draw(painter, "a picture of Pip", family, guidance)
                waving = draw(painter, "a picture of Pip waving", family, guidance)
            found = sample(run, f"{checkpoint.step:06d}.png")
            far = difference(drawn, before)
            assert difference(found, drawn) < far / 4
            assert difference(sample(run, f"{checkpoint.step:06d}-1.png"), waving) < far / 4
    assert sorted(checkpoint.step for checkpoint in kept) == [2, 4]
    record = read_record(run.folder / "samples" / "000004-1.png")
    assert (record["prompt"], record["learned_steps"]) == ("a picture of Pip waving", "4")


def make_methods(folder: Path) -> list[Finetune]:
    """Each learns something else, and reads its prompts or keeps its weights in another way."""
    knobs = {"samples_every": 3, "prior_weight": 0.0, "steps": 3}
    recipes: list[Finetune] = [make_word_recipe(folder), make_whole_recipe(folder), make_lora_recipe(folder)]
    return [type(one).model_validate({**one.model_dump(), **knobs}) for one in recipes]


@pytest.mark.parametrize("number", range(3))
def test_every_method_shows_what_it_draws(
    number: int, guidance: float, toy_base: Path, tmp_path: Path
) -> None:
    run = learn(SIX, make_methods(toy_base)[number], tmp_path / "run")
    with open_painter(run) as painter:
        drawn = draw(painter, "a picture of Pip", "sd1", guidance)
    assert difference(sample(run, "000003.png"), drawn) <= 0.5


def test_learns_the_same_with_samples_and_goes_on_to_the_same_samples(
    guidance: float, toy_base: Path, tmp_path: Path
) -> None:
    knobs = {**SHORT, "min_rank": 2, "decoder_share": 0.5}
    plain = learn(SIX, make_recipe(toy_base, **{**knobs, "samples_every": 0}), tmp_path / "plain")
    recipe = make_recipe(toy_base, **knobs)
    whole = learn(SIX, recipe, tmp_path / "whole")

    def kill(event: object) -> None:
        if getattr(event, "phase", "") == "learning" and getattr(event, "done", 0) == 3:
            raise Killed

    with pytest.raises(Killed):
        learn(SIX, recipe, tmp_path / "killed", notify=kill)
    killed = learn(SIX, recipe, tmp_path / "killed")
    for run in (whole, killed):
        assert newest(run).sha256 == newest(plain).sha256
    assert not (plain.folder / "samples").exists()
    for name in ("000002.png", "000004.png"):
        assert np.array_equal(sample(whole, name), sample(killed, name))
    with open_painter(whole) as painter:  # with the decoder that it taught
        drawn = draw(painter, "a picture of Pip", "sd1", guidance)
    assert difference(sample(whole, "000004.png"), drawn) <= 0.5


@pytest.mark.parametrize("offload", ["encoders", "blocks"])
def test_samples_need_nothing_that_has_left_the_device(offload: str, tmp_path: Path) -> None:
    folder = make_toy("flux", tmp_path / "base")
    knobs = {**SHORT, "steps": 2, "checkpointing": "whole"}
    here = learn(SIX, make_recipe(folder, **knobs, offload="none"), tmp_path / "here")
    away = learn(SIX, make_recipe(folder, **knobs, offload=offload), tmp_path / "away")
    assert np.array_equal(sample(away, "000002.png"), sample(here, "000002.png"))


def newest(run: Run) -> Checkpoint:
    found = run.newest()
    assert found is not None
    return found


def test_runs_with_samples_learn_alone(toy_base: Path) -> None:
    assert can_join(make_recipe(toy_base))
    assert not can_join(make_recipe(toy_base, samples_every=2))
    with pytest.raises(ValidationError, match="nothing"):
        make_recipe(toy_base, sample_prompts=("a picture of {nothing}",))
