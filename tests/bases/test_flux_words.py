"""A word of FLUX.1's: CLIP sums a prompt up with it, T5 reads it in its place; plain diffusers reads both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxKontextPipeline, FluxPipeline
from safetensors.torch import load_file

from tests.bases.plain_drawing import difference, draw_plainly
from tests.bases.toys import make_toy
from tests.killing import Killed
from tests.toy_character import make_character, make_recipe, make_word_recipe
from understudy.bases.base import Base
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.bases.placing import place_denoiser
from understudy.bases.words import knows_word
from understudy.domain import Pixels, Scene, Sketch
from understudy.events import Event, Step
from understudy.exporting import export
from understudy.methods import examples as examples_of_a_run
from understudy.methods import learn, open_painter
from understudy.methods.class_pictures import ClassPicture, draw_class_pictures
from understudy.methods.conditioning import read_as, readers_in_steps
from understudy.methods.examples import Examples
from understudy.methods.finetune import ask
from understudy.methods.learned_words import WORD_FILE
from understudy.methods.painting import PipelinePainter
from understudy.methods.questions import find_loss
from understudy.recipes import DrawSettings, DreamBoothLora, TextualInversion
from understudy.runs import Plan, Run

PLAN = Plan(device="cpu", precision="fp32", threads=1)
SETTINGS = DrawSettings(steps=3, guidance=3.0)
PROMPTS = ["a <pip> sad", "a girl", ""]
PIPELINES: dict[Family, Any] = {"flux": FluxPipeline, "kontext": FluxKontextPipeline}
SIX = make_character(6)


@pytest.fixture(scope="module", params=PIPELINES)
def family(request: pytest.FixtureRequest) -> Family:
    found: Family = request.param
    return found


@pytest.fixture(scope="module")
def folder(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy(family, tmp_path_factory.mktemp("bases") / family)


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For what Kontext does by the same code."""
    return make_toy("flux", tmp_path_factory.mktemp("bases") / "flux")


@pytest.fixture
def base(folder: Path) -> Base:
    return open_base(folder, PLAN)


def inverting(folder: Path, **knobs: object) -> TextualInversion:
    few: dict[str, object] = {"vectors": 2, "views": 1, "averaging": 0.0}
    return make_word_recipe(folder).model_copy(update={**few, **knobs})


def pivoting(folder: Path, **knobs: object) -> DreamBoothLora:
    few: dict[str, object] = {"vectors": 2, "word_steps": 5, "text_learning_rate": 1e-3, "averaging": 0.0}
    return make_recipe(folder).model_copy(update={**few, **knobs})


@pytest.fixture(scope="module", params=[inverting, pivoting])
def learned(request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learn(SIX, request.param(folder), tmp_path_factory.mktemp("runs") / "pip")


def test_both_readers_learn_it_and_nothing_else_does(base: Base) -> None:
    before = base.encode_prompt(PROMPTS)
    first, second = base.add_word("<pip>", 3, "girl")
    read = base.read_tokens(base.tokenize(PROMPTS), before)
    drawn_with = base.encode_prompt(PROMPTS)
    for name, one in drawn_with.tensors.items():
        assert torch.allclose(read[name], one, atol=1e-6)
    torch.autograd.backward(read["hidden"].square().sum() + read["pooled"].square().sum())
    for part, vectors in zip(base.word_parts, (first, second), strict=True):
        assert vectors.grad is not None
        assert (vectors.grad.abs().sum(dim=1) > 0).all()
        learning = [weight for weight in base.part(part).parameters() if weight.grad is not None]
        assert len(learning) == 1
        assert learning[0] is vectors
    with torch.no_grad():
        first.add_(torch.randn(first.shape, generator=torch.Generator().manual_seed(0)))
        second.add_(torch.randn(second.shape, generator=torch.Generator().manual_seed(0)))
    after = base.encode_prompt(PROMPTS)
    for name, one in after.tensors.items():
        assert not torch.allclose(one[0], drawn_with[name][0], atol=1e-3)
        assert torch.equal(one[1:], before[name][1:])


def test_every_vector_takes_its_place_in_what_t5_reads(base: Base) -> None:
    base.add_word("<pip>", 10, "girl")
    said = "<pip> " + "x" * 498
    assert base.readable_part(said) == said
    assert base.readable_part(said + "x" * 10) != said + "x" * 10


def test_learns_from_six_drawings(flux: Path, tmp_path: Path) -> None:
    """Nothing but the vectors learns, and with them the base answers better about the drawings."""
    recipe = inverting(flux, steps=20, snapshot_every=20, batch=3, learning_rate=0.3)
    run = learn(SIX, recipe, tmp_path / "run")
    newest = run.newest()
    assert newest is not None
    word = load_file(newest.folder / WORD_FILE)
    assert {name: one.shape for name, one in word.items()} == {"clip_l": (2, 32), "t5xxl": (2, 48)}
    base = open_base(flux, PLAN)
    vectors = base.add_word("<pip>", 2, "girl")
    examples = Examples.load(run.folder / "examples.safetensors", "cpu")
    condition = read_as(recipe, base, examples)

    def loss() -> float:
        with torch.no_grad():
            questions = [ask(base, examples, condition, [*range(6)], recipe, step) for step in range(4)]
            return sum(find_loss(base, question).item() for question in questions)

    before = loss()
    for mine, learned in zip(vectors, word.values(), strict=True):
        mine.data.copy_(learned)
    # Most of it is what a base of random weights cannot know, whatever it reads.
    assert loss() < 0.985 * before
    with torch.no_grad():
        for mine in vectors:
            mine.mul_(-1)
    assert loss() > before


@pytest.mark.parametrize("recipe_of", [inverting, pivoting])
def test_goes_on_after_a_kill_as_if_nothing_had_been(
    recipe_of: Callable[[Path], TextualInversion | DreamBoothLora], flux: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(flux).model_copy(update={"batch": 2})
    whole = learn(SIX, recipe, tmp_path / "whole")

    def kill(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "learning" and event.done == 5:
            raise Killed

    with pytest.raises(Killed):
        learn(SIX, recipe, tmp_path / "killed", notify=kill)
    killed = learn(SIX, recipe, tmp_path / "killed")
    first, second = whole.newest(), killed.newest()
    assert first is not None
    assert second is not None
    assert first.sha256 == second.sha256


def test_plain_diffusers_draws_the_same_picture(
    learned: Run, folder: Path, family: Family, tmp_path: Path
) -> None:
    with open_painter(learned) as painter:
        (picture,) = painter([Scene("Pip sad", 7)], SETTINGS)
    assert picture.record["prompt_as_read"] == "<pip> sad"
    base, pipe = open_base(folder, PLAN), PIPELINES[family].from_pretrained(folder)
    unlearned = plainly(pipe, base)
    paths = export(learned, "diffusers", tmp_path / "pip.safetensors")
    if len(paths) > 1:
        pipe.load_lora_weights(tmp_path, weight_name=paths[0].name)
    load_plainly(pipe, load_file(paths[-1]))
    assert difference(plainly(pipe, base), picture.pixels) <= 0.5
    assert difference(unlearned, picture.pixels) > 1


def plainly(pipe: Any, base: Base) -> Pixels:
    return draw_plainly(pipe, base, "<pip> sad", 7, SETTINGS.steps, SETTINGS.guidance)


def load_plainly(pipe: Any, word: dict[str, torch.Tensor]) -> None:
    """As diffusers' own advanced script for FLUX says how its words are loaded."""
    for name, encoder, tokenizer in (
        ("clip_l", pipe.text_encoder, pipe.tokenizer),
        ("t5xxl", pipe.text_encoder_2, pipe.tokenizer_2),
    ):
        pipe.load_textual_inversion(word[name], token="<pip>", text_encoder=encoder, tokenizer=tokenizer)


def test_all_vectors_are_read_from_a_sketch_too(learned: Run) -> None:
    """diffusers' own img2img reads the first alone, since it lacks the mixin."""
    with open_painter(learned) as painter:
        assert isinstance(painter, PipelinePainter)
        side = painter.base.size_px
        sketch = Sketch(np.full((side, side, 3), 200, np.uint8), 0.7)
        (whole,) = painter([Scene("Pip sad", 7)], SETTINGS, sketch)
        for part in painter.base.word_parts:
            second = painter.base.tokenizer(part).convert_tokens_to_ids("<pip>_1")
            with torch.no_grad():
                painter.base.pipe.components[part].get_input_embeddings().weight[second] *= -9
        (other,) = painter([Scene("Pip sad", 7)], SETTINGS, sketch)
    assert difference(whole.pixels, other.pixels) > 0.1


def test_the_word_is_taught_when_class_pictures_are_drawn(
    flux: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawing layer by layer exchanges tensors: vectors that were there before would never learn."""
    knew: list[bool] = []

    def draw(base: Base, *rest: Any) -> list[ClassPicture]:
        knew.append(knows_word(base.pipe.text_encoder_2))
        return draw_class_pictures(base, *rest)

    monkeypatch.setattr(examples_of_a_run, "draw_class_pictures", draw)
    learn(SIX, pivoting(flux, steps=1), tmp_path / "run")
    assert knew == [False]


@pytest.mark.parametrize(
    ("knobs", "readers"),
    [
        ({}, ()),
        ({"text_learning_rate": 1e-3}, ("text_encoder",)),
        ({"vectors": 1}, ("text_encoder", "text_encoder_2")),
        ({"vectors": 1, "text_learning_rate": 1e-3}, ("text_encoder", "text_encoder_2")),
    ],
)
def test_a_step_has_only_the_readers_that_learn_and_reads_the_same(
    knobs: dict[str, object], readers: tuple[str, ...], folder: Path, base: Base
) -> None:
    recipe = make_recipe(folder).model_copy(update=knobs)
    assert readers_in_steps(type(base), recipe) == readers
    if recipe.vectors:
        base.add_word("<pip>", 1, "girl")
    prompts, tokens = base.encode_prompt(PROMPTS), base.tokenize(PROMPTS)
    place_denoiser(replace(base, plan=PLAN.model_copy(update={"offload": "encoders"})), readers)
    kept = {name for name in ("text_encoder", "text_encoder_2") if base.pipe.components[name] is not None}
    assert kept == {*readers}
    if readers:
        read = base.read_tokens(tokens, prompts)
        assert all(torch.allclose(one, prompts[name], atol=1e-6) for name, one in read.tensors.items())
