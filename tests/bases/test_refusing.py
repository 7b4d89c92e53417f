"""What a family cannot do is said in one sentence, before a run is begun or the base opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from diffusers.loaders import TextualInversionLoaderMixin

import understudy.bases.opening
from tests.bases.toys import FAMILIES, make_toy
from tests.toy_character import (
    make_character,
    make_lora_recipe,
    make_recipe,
    make_whole_recipe,
    make_word_recipe,
)
from understudy.bases.catalog import find_family
from understudy.bases.layouts import Family
from understudy.bases.opening import find_kind
from understudy.domain import UserError
from understudy.methods import learn, learn_together
from understudy.methods.refusing import check_family
from understudy.recipes import Recipe

PIP = make_character(1)
WITHOUT_WORDS: tuple[Family, ...] = ("sd3", "flux2", "qwen", "qwen-edit", "zimage")


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    family: Family = request.param
    return make_toy(family, tmp_path_factory.mktemp("bases") / family)


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


def test_words_are_refused_just_where_no_pipeline_loads_them(folder: Path, tmp_path: Path) -> None:
    family = find_family(str(folder))
    loads = issubclass(find_kind(family).draws_with, TextualInversionLoaderMixin)
    assert loads == (family not in WITHOUT_WORDS)
    if loads:
        check_family(make_word_recipe(folder))
        return
    for recipe in (
        make_word_recipe(folder),
        make_recipe(folder).model_copy(update={"vectors": 2}),
        make_lora_recipe(folder).model_copy(update={"vectors": 2, "subject": "{name}"}),
    ):
        assert "without --vectors" in refused(recipe, tmp_path / "run")


def test_training_is_refused_just_where_diffusers_reads_no_such_adapter(folder: Path, tmp_path: Path) -> None:
    kind = find_kind(find_family(str(folder)))
    loaded = {name for name in kind.draws_with._lora_loadable_modules if name.startswith("text_encoder")}
    assert {*kind.text_parts} == loaded
    if loaded:
        return
    for recipe in (make_recipe(folder), make_lora_recipe(folder), make_whole_recipe(folder)):
        asked = recipe.model_copy(update={"text_learning_rate": 1e-4})
        assert "leave text_learning_rate at 0" in refused(asked, tmp_path / "run")


def test_targets_of_which_none_is_there_are_refused(tmp_path: Path) -> None:
    folder = make_toy("sd3", tmp_path / "base")
    recipe = make_recipe(folder).model_copy(update={"targets": ("convolutions", "time")})
    expected = "no convolutions and no time: take as targets any of attention, cross-attention, feed-forward."
    assert expected in refused(recipe, tmp_path / "run")
    with pytest.raises(UserError, match="no convolutions"):
        learn_together(PIP, {tmp_path / "a": recipe, tmp_path / "b": recipe})
    assert [path.name for path in tmp_path.iterdir()] == ["base"]
