"""What a family cannot do is said in one sentence, before a run is begun or the base opened."""

from __future__ import annotations

from pathlib import Path

import pytest

import understudy.bases.opening
from tests.bases.toys import make_toy
from tests.toy_character import (
    make_character,
    make_lora_recipe,
    make_recipe,
    make_whole_recipe,
    make_word_recipe,
)
from understudy.bases.layouts import Family
from understudy.domain import UserError
from understudy.methods import learn, learn_together
from understudy.recipes import Recipe

PIP = make_character(1)
WITHOUT_WORDS: tuple[Family, ...] = ("sd3", "flux")


@pytest.fixture(scope="module", params=WITHOUT_WORDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy(request.param, tmp_path_factory.mktemp("bases") / request.param)


@pytest.fixture(autouse=True)
def never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("the base was opened")

    monkeypatch.setattr(understudy.bases.opening, "_load", refuse)


def refused(recipe: Recipe, run: Path) -> str:
    with pytest.raises(UserError) as mistake:
        learn(PIP, recipe, run)
    assert not run.exists()
    return str(mistake.value)


def test_words_are_refused(folder: Path, tmp_path: Path) -> None:
    for recipe in (
        make_word_recipe(folder),
        make_recipe(folder).model_copy(update={"vectors": 2}),
        make_lora_recipe(folder).model_copy(update={"vectors": 2, "subject": "{name}"}),
    ):
        assert "without --vectors" in refused(recipe, tmp_path / "run")


def test_training_of_text_encoders_is_refused(folder: Path, tmp_path: Path) -> None:
    for recipe in (make_recipe(folder), make_lora_recipe(folder), make_whole_recipe(folder)):
        asked = recipe.model_copy(update={"text_learning_rate": 1e-4})
        assert "leave text_learning_rate at 0" in refused(asked, tmp_path / "run")


def test_targets_of_which_none_is_there_are_refused(folder: Path, tmp_path: Path) -> None:
    recipe = make_recipe(folder).model_copy(update={"targets": ("convolutions", "time")})
    expected = "no convolutions and no time: take as targets any of attention, cross-attention, feed-forward."
    assert expected in refused(recipe, tmp_path / "run")
    with pytest.raises(UserError, match="no convolutions"):
        learn_together(PIP, {tmp_path / "a": recipe, tmp_path / "b": recipe})
    assert not list(tmp_path.iterdir())
