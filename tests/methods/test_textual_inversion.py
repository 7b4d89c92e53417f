from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from tests.toy_character import make_recipe, make_word_recipe
from understudy.domain import Character, Scene
from understudy.methods import learn, open_painter
from understudy.methods.adapters import WEIGHTS_FILE
from understudy.methods.learned_words import WORD_FILE
from understudy.recipes import DrawSettings, DreamBoothLora, Recipe, TextualInversion
from understudy.runs import STATE_FILE, Run

SETTINGS = DrawSettings(steps=4, guidance=3.0)


def word_and_adapters(base: Path) -> DreamBoothLora:
    update = {"vectors": 2, "word_steps": 5, "text_learning_rate": 1e-3, "averaging": 0.0}
    return make_recipe(base).model_copy(update=update)


def checkpoint(run: Run, step: int) -> Path:
    return run.folder / "checkpoints" / f"{step:06d}"


def word_of(run: Run, step: int) -> torch.Tensor:
    ((word, vectors),) = load_file(checkpoint(run, step) / WORD_FILE).items()
    assert word == "<pip>"
    return vectors


@pytest.fixture(scope="module")
def inverted(toy_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learn(pip, make_word_recipe(toy_base), tmp_path_factory.mktemp("inverted"))


@pytest.fixture(scope="module")
def pivoted(toy_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learn(pip, word_and_adapters(toy_base), tmp_path_factory.mktemp("pivoted"))


def test_nothing_but_the_word_learns(inverted: Run) -> None:
    state = load_file(checkpoint(inverted, 9) / STATE_FILE)
    assert {name.partition(".")[2] for name in state} == {"word"}
    assert word_of(inverted, 9).shape == (3, 32)
    assert not torch.equal(word_of(inverted, 9), word_of(inverted, 3))
    assert not (inverted.folder / "class_pictures").exists()


def test_the_word_begins_as_the_noun_with_its_article(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    update = {"steps": 1, "vectors": 5, "learning_rate": 1e-9, "averaging": 0.0, "snapshot_every": 1}
    run = learn(pip, make_word_recipe(toy_base).model_copy(update=update), tmp_path)
    pipe = StableDiffusionPipeline.from_pretrained(toy_base, safety_checker=None)
    tokens = pipe.tokenizer("a girl", add_special_tokens=False).input_ids
    assert torch.allclose(word_of(run, 1), pipe.text_encoder.get_input_embeddings().weight[tokens], atol=1e-6)


@pytest.mark.parametrize("kind", ["inverted", "pivoted"])
def test_plain_diffusers_draws_the_same_picture(
    kind: str, toy_base: Path, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(kind)
    newest = run.newest()
    assert newest is not None
    with open_painter(run) as painter:
        picture = next(painter([Scene("Pip sad, a picture of pip's hat", 7)], SETTINGS))
    assert picture.record["prompt_as_read"] == "<pip> sad, a picture of <pip>'s hat"
    pipe = StableDiffusionPipeline.from_pretrained(toy_base, safety_checker=None)

    def plain() -> np.ndarray:
        generator = torch.Generator().manual_seed(7)
        said = picture.record["prompt_as_read"]
        drawn = pipe(said, None, None, 4, guidance_scale=3.0, generator=generator, output_type="np")
        pixels: np.ndarray = drawn.images[0] * 255
        return pixels

    unlearned = plain()
    if (newest.folder / WEIGHTS_FILE).exists():
        pipe.load_lora_weights(newest.folder)
    pipe.load_textual_inversion(str(newest.folder))
    difference = np.abs(picture.pixels - plain()).mean()
    assert difference < 0.5
    assert difference < 0.5 * np.abs(picture.pixels - unlearned).mean()


def test_a_word_learns_at_first_and_the_adapter_goes_on(pivoted: Run) -> None:
    assert not torch.equal(word_of(pivoted, 3), word_of(pivoted, 6))
    assert torch.equal(word_of(pivoted, 6), word_of(pivoted, 9))
    adapters = [load_file(checkpoint(pivoted, step) / WEIGHTS_FILE) for step in (6, 9)]
    assert not any(torch.equal(adapters[0][name], one) for name, one in adapters[1].items())


def test_the_text_encoders_adapter_is_saved_as_readers_know_it(pivoted: Run) -> None:
    saved = load_file(checkpoint(pivoted, 9) / WEIGHTS_FILE)
    text = {name for name in saved if name.startswith("text_encoder.")}
    attention = [f"{one}_proj" for one in ("q", "k", "v", "out")]
    layers = [f"text_encoder.text_model.encoder.layers.{number}.self_attn" for number in (0, 1)]
    assert text == {f"{layer}.{one}.lora_{ab}.weight" for layer in layers for one in attention for ab in "AB"}
    assert all(saved[name].abs().max() > 0 for name in text)


def test_rates_of_their_own(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    moved = {}
    for rate in (1e-6, 1e-2):
        update = {"steps": 3, "word_learning_rate": rate, "text_learning_rate": rate}
        run = learn(pip, word_and_adapters(toy_base).model_copy(update=update), tmp_path / str(rate))
        saved = load_file(checkpoint(run, 3) / WEIGHTS_FILE)
        moved[rate] = [
            max(one.abs().max() for name, one in saved.items() if name.startswith(of) and "lora_B" in name)
            for of in ("unet.", "text_encoder.")
        ]
    (unet_slow, text_slow), (unet_fast, text_fast) = moved.values()
    assert text_fast > 1000 * text_slow
    assert 0.5 < unet_fast / unet_slow < 2


@pytest.mark.parametrize("recipe_of", [make_word_recipe, word_and_adapters])
def test_more_steps_go_on_as_if_they_had_been_asked_for_at_once(
    recipe_of: type[TextualInversion], toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe: Recipe = recipe_of(toy_base)
    learn(pip, recipe.model_copy(update={"steps": 4}), tmp_path / "longer")
    longer, straight = (learn(pip, recipe, tmp_path / name) for name in ("longer", "straight"))
    states = [load_file(checkpoint(run, 9) / STATE_FILE) for run in (longer, straight)]
    assert all(torch.equal(one, states[1][name]) for name, one in states[0].items())
