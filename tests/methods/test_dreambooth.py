from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from tests.bases.toys import at_toy_size, make_toy
from tests.toy_character import make_whole_recipe
from understudy.bases.catalog import find_base
from understudy.bases.opening import open_base
from understudy.bases.prompting import PROMPTING_FILE
from understudy.domain import Character, Picture, Scene
from understudy.methods import learn, open_painter
from understudy.methods.whole_weights import CREDITS_FILE, DIFFERENCE_FILE, PIPELINE_FOLDER
from understudy.recipes import DrawSettings, PromptOnly
from understudy.runs import STATE_FILE, Plan, Run

SCENE = Scene("a picture of Pip sad", 7)
SETTINGS = DrawSettings(steps=4, guidance=3.0)


@pytest.fixture(scope="module")
def prompted_base(toy_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that takes something for granted."""
    folder = tmp_path_factory.mktemp("base") / "prompted"
    shutil.copytree(toy_base, folder)
    said = {"defaults": [{"unless": ["front view"], "add": "front view"}]}
    (folder / PROMPTING_FILE).write_text(json.dumps(said))
    return folder


def learned(character: Character, base: Path, folder: Path, **knobs: object) -> Run:
    return learn(character, make_whole_recipe(base).model_copy(update=knobs), folder)


@pytest.fixture(scope="module")
def difference(prompted_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learned(pip, prompted_base, tmp_path_factory.mktemp("difference"), text_learning_rate=1e-3)


@pytest.fixture(scope="module")
def pipeline(prompted_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("pipeline")
    return learned(pip, prompted_base, folder, text_learning_rate=1e-3, save_as="pipeline")


def newest(run: Run) -> Path:
    checkpoint = run.newest()
    assert checkpoint is not None
    return checkpoint.folder


def draw(run: Run) -> Picture:
    with open_painter(run) as painter:
        return next(painter([SCENE], SETTINGS))


def plain(folder: Path) -> np.ndarray:
    """What plain diffusers makes of the prompt as our base reads it."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    generator = torch.Generator().manual_seed(SCENE.seed)
    said = f"{SCENE.prompt}, front view"
    drawn = pipe(said, None, None, 4, guidance_scale=3.0, generator=generator, output_type="np")
    pixels: np.ndarray = drawn.images[0] * 255
    return pixels


def test_plain_diffusers_draws_the_same_with_the_pipeline(pipeline: Run, prompted_base: Path) -> None:
    ours = draw(pipeline)
    assert ours.record["prompt_as_read"] == f"{SCENE.prompt}, front view"
    apart = np.abs(ours.pixels - plain(newest(pipeline) / PIPELINE_FOLDER)).mean()
    assert apart < 0.5
    assert apart < 0.5 * np.abs(ours.pixels - plain(prompted_base)).mean()


def test_a_difference_draws_what_the_pipeline_draws(
    difference: Run, pipeline: Run, prompted_base: Path
) -> None:
    one, other = draw(difference).pixels.astype(float), draw(pipeline).pixels
    assert np.abs(one - other).mean() < 0.5
    assert np.abs(one - plain(prompted_base)).mean() > 2


def test_a_difference_is_half_as_large_as_the_weights(difference: Run) -> None:
    added = load_file(newest(difference) / DIFFERENCE_FILE)
    state = load_file(newest(difference) / STATE_FILE)
    weights = {name.partition(".")[2]: one for name, one in state.items() if name.startswith("weights.")}
    assert added.keys() == weights.keys()
    assert 2 * sum(one.nbytes for one in added.values()) == sum(one.nbytes for one in weights.values())
    assert {name.partition(".")[0] for name in added} == {"unet", "text_encoder"}
    assert all(one.abs().max() > 0 for name, one in added.items() if "token_embedding" not in name)


def test_the_text_encoder_learns_by_choice_only(prompted_base: Path, pip: Character, tmp_path: Path) -> None:
    run = learned(pip, prompted_base, tmp_path, steps=2, save_as="pipeline", snapshot_every=2)
    for part, file, same in (
        ("text_encoder", "model.safetensors", True),
        ("unet", "diffusion_pytorch_model.safetensors", False),
    ):
        before = load_file(prompted_base / part / file)
        after = load_file(newest(run) / PIPELINE_FOLDER / part / file)
        assert before.keys() == after.keys()
        assert all(torch.equal(one, after[name]) for name, one in before.items()) == same


def test_a_pipeline_is_a_base(pipeline: Run, pip: Character, tmp_path: Path) -> None:
    folder = find_base(str(newest(pipeline) / PIPELINE_FOLDER))
    run = learn(pip, PromptOnly(base=str(folder), description="Pip"), tmp_path)
    assert np.array_equal(draw(run).pixels, draw(pipeline).pixels)


def test_what_is_saved_says_whom_it_shows(difference: Run, pipeline: Run) -> None:
    with safetensors.safe_open(newest(difference) / DIFFERENCE_FILE, "pt") as file:
        header = file.metadata()
    assert header["character"] == "Pip"
    assert json.loads((newest(pipeline) / PIPELINE_FOLDER / CREDITS_FILE).read_text()) == header


def test_checkpointing_changes_nothing_but_memory(
    prompted_base: Path, pip: Character, tmp_path: Path
) -> None:
    runs = [
        learned(pip, prompted_base, tmp_path / choice, steps=3, checkpointing=choice)
        for choice in ("none", "whole")
    ]
    without, with_it = (load_file(newest(run) / DIFFERENCE_FILE) for run in runs)
    assert all(torch.allclose(one, with_it[name], atol=1e-6) for name, one in without.items())


def test_without_averaging_no_second_copy_is_kept(
    prompted_base: Path, pip: Character, tmp_path: Path
) -> None:
    run = learned(pip, prompted_base, tmp_path, steps=3, averaging=0.0)
    kinds = {name.partition(".")[0] for name in load_file(newest(run) / STATE_FILE)}
    assert kinds == {"weights", "adam_mean", "adam_square"}


def test_class_pictures_are_drawn_once_and_kept(prompted_base: Path, pip: Character, tmp_path: Path) -> None:
    learned(pip, prompted_base, tmp_path, steps=1)
    files = sorted((tmp_path / "class_pictures").glob("*.png"))
    assert len(files) == 3
    times = [file.stat().st_mtime_ns for file in files]
    learned(pip, prompted_base, tmp_path, steps=2)
    assert times == [file.stat().st_mtime_ns for file in files]


def test_a_base_that_looks_at_pictures_still_can(pip: Character, tmp_path: Path) -> None:
    with at_toy_size():
        base = make_toy("qwen-edit", tmp_path / "base")
        run = learned(pip, base, tmp_path / "run", steps=1, snapshot_every=1, views=1, save_as="pipeline")
        folder = find_base(str(newest(run) / PIPELINE_FOLDER))
        opened = open_base(folder, Plan(device="cpu", precision="fp32", threads=1))
        assert opened.referring_pipe(None).processor is not None
