"""What a character may be called in words, and which of them the judge likes best."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from tests.toy_character import make_word_recipe
from understudy.domain import Attributes, Character, Drawing, Picture, Scene
from understudy.learning import learn, score
from understudy.methods.learned_words import WORD_FILE
from understudy.recipes import PromptOnly
from understudy.trials import Tried, read_wordings
from understudy.wordings import first_look, name_colours, suggest
from understudy.world.captions import parse
from understudy.world.heroes import drawings, hero, oracle
from understudy.world.phrases import caption_words


@pytest.fixture(scope="module")
def dond() -> Character:
    of = hero(35)  # lavender and cream, in yellow and mint
    drawn = tuple(Drawing(Path(one.filename), one.pixels, one.caption) for one in drawings(of))
    return Character("Dond", "creature", drawn)


def search(character: Character, recipe: PromptOnly, likes: str) -> list[Tried]:
    """All wordings that are tried where the judge likes those that say a word."""
    tried: list[Tried] = []
    while new := suggest(character, recipe, tried):
        tried += [Tried(wording=each, score=float(likes in each) - len(each) / 1000) for each in new]
    return tried


def test_colours_are_named_by_hue_before_lightness(dond: Character) -> None:
    assert name_colours(dond.drawings) == ["purple", "white", "yellow"]
    assert first_look("creature", ["purple", "white"]).text == "a creature with purple hide and a white shirt"
    assert first_look("girl", ["red"]).text == "a girl with red hair"
    assert first_look("owl", []).text == "an owl"


@pytest.mark.parametrize("likes", ["tall head", "yellow trousers", "antenna", "cat with"])
def test_the_search_finds_what_the_judge_likes_and_ends(dond: Character, likes: str) -> None:
    tried = search(dond, PromptOnly(), likes)
    wordings = [one.wording for one in tried]
    assert len(wordings) == len(set(wordings)) <= 60
    assert likes in max(tried, key=lambda one: one.score).wording
    assert tried[0].wording.endswith("purple hide and a white shirt")


def test_the_base_knows_all_words_that_are_made(dond: Character) -> None:
    for one in search(dond, PromptOnly(), "dress"):
        words = set(one.wording.replace(",", "").split())
        assert words <= caption_words()
        assert not parse(one.wording).not_judged


def test_given_wordings_are_filled_in_and_tried_once(dond: Character) -> None:
    recipe = PromptOnly.from_preset("thesis")
    assert suggest(dond, recipe, []) == [
        "a photo of a creature",
        "a cartoon of a creature with purple hide and a white shirt",
    ]
    done = [Tried(wording=each, score=0) for each in suggest(dond, recipe, [])]
    assert suggest(dond, recipe, done) == []


def test_the_judge_chooses_and_likes_the_true_picture_best(
    dond: Character, toy_base: Path, tmp_path: Path
) -> None:
    recipe = PromptOnly(
        base=str(toy_base), descriptions=("{a_noun}", "{noun} {looks}"), trial_pictures=2, trial_steps=1
    )
    found = read_wordings(learn(dond, recipe, tmp_path / "run", device="cpu"))
    assert found.tried[0].wording == "a creature"
    assert found.best is not None
    assert found.chosen == found.best.wording
    scene = Scene("a picture of Dond standing, front view")
    true, other = (
        Picture(scene, oracle(hero(seed), Attributes(pose="standing", view="front"), 3).pixels)
        for seed in (35, 36)
    )
    assert score([true], dond) > score([other], dond)
    asked = replace(true, scene=Scene("a picture of Dond sitting, front view"))
    assert score([true], dond) > score([asked], dond)


def test_drawings_without_colour_have_the_noun_alone() -> None:
    white = Drawing(Path("a.png"), np.full((64, 64, 3), 255, np.uint8), "")
    assert suggest(Character("Mo", "girl", (white,)), PromptOnly(), []) == ["a girl"]


def test_a_learned_word_begins_with_the_drawings_colours(
    toy_base: Path, dond: Character, tmp_path: Path
) -> None:
    knobs = {"steps": 1, "vectors": 9, "learning_rate": 1e-9, "averaging": 0.0, "snapshot_every": 1}
    run = learn(
        dond, make_word_recipe(toy_base).model_copy(update={**knobs, "initial": "{described}"}), tmp_path
    )
    pipe = StableDiffusionPipeline.from_pretrained(toy_base, safety_checker=None)
    said = "a creature with purple hide and a white shirt"
    tokens = pipe.tokenizer(said, add_special_tokens=False).input_ids[:9]
    newest = run.newest()
    assert newest is not None
    (vectors,) = load_file(newest.folder / WORD_FILE).values()
    assert torch.allclose(vectors, pipe.text_encoder.get_input_embeddings().weight[tokens], atol=1e-6)
