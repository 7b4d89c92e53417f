"""What a newcomer gets without naming a knob."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from huggingface_hub import constants

from tests.bases.toys import at_toy_size, make_toy
from tests.toy_character import make_character
from understudy.bases import recommended
from understudy.bases.choosing.known import find_known
from understudy.bases.fetching import fetch
from understudy.bases.layouts import Family
from understudy.bases.recommended import (
    DRAWING,
    TRAINING,
    recommended_knobs,
    suited_knobs,
    suited_settings,
)
from understudy.domain import UserError
from understudy.methods import learn
from understudy.options import draw_settings, make_recipe
from understudy.recipes import PUPPET, RECIPES, Adapting, DrawSettings, PromptOnly
from understudy.runs import open_run


@pytest.mark.parametrize("family", get_args(Family))
@pytest.mark.parametrize("method", RECIPES)
def test_every_recommendation_is_a_recipe(family: Family, method: str) -> None:
    RECIPES[method].model_validate(recommended_knobs(family, method))
    DrawSettings.model_validate(DRAWING[family])


def test_the_packaged_base_keeps_the_recipes_defaults() -> None:
    assert suited_knobs("dreambooth-lora", PUPPET) == {}
    assert make_recipe("dreambooth-lora", {}) == RECIPES["dreambooth-lora"]()


def test_another_base_gets_its_familys_and_what_is_given_counts_more(tmp_path: Path) -> None:
    base = str(make_toy("sdxl", tmp_path))
    recipe = make_recipe("dreambooth-lora", {"base": base, "rank": 8})
    assert isinstance(recipe, Adapting)
    assert (recipe.learning_rate, recipe.rank, recipe.targets) == (1e-4, 8, ("attention",))
    thesis = make_recipe("dreambooth-lora", {"base": base}, "thesis")
    assert isinstance(thesis, Adapting)
    assert (thesis.rank, thesis.steps) == (4, 2000)


def test_a_run_is_drawn_as_its_base_wants_unless_told_otherwise(tmp_path: Path) -> None:
    base = str(make_toy("sdxl", tmp_path / "base"))
    run = learn(
        make_character(1),
        make_recipe("prompt-only", {"base": base, "description": "a girl"}),
        tmp_path / "run",
    )
    assert suited_settings(run).guidance == 5.0
    assert draw_settings(run.folder, {"steps": 3}).steps == 3
    assert suited_settings(open_run(run.folder)).steps == 30


@pytest.mark.parametrize("name", ["kontext", "qwen-edit"])
def test_a_base_that_looks_at_drawings_learns_by_name_as_its_family_does(
    name: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = make_toy(name, tmp_path)
    monkeypatch.setattr(recommended, "fetch_configs", lambda base, notify: toy)
    for method in TRAINING:
        assert suited_knobs(method, name) == recommended_knobs(name, method)
    assert suited_knobs("dreambooth-lora", name)["targets"] == ("attention",)


@pytest.mark.parametrize("name", ["kontext", "qwen-edit"])
def test_it_learns_by_name_from_what_the_hub_left_on_the_disk(
    name: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = find_known(name)
    assert known is not None
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / f"models--{known.repository.replace('/', '--')}"
    make_toy(name, kept / "snapshots" / "0123")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("0123")
    few = {"base": name, "steps": 2, "rank": 2, "precision": "fp32"}
    with at_toy_size():
        run = learn(make_character(2), make_recipe("dreambooth-lora", few), tmp_path / "run")
    assert run.manifest.base == name
    assert run.newest() is not None


@pytest.mark.parametrize("name", ["klein-fast", "zimage-turbo", "flux-schnell"])
def test_a_base_of_few_steps_does_not_learn(name: str) -> None:
    with pytest.raises(UserError, match=f"{name} is for drawing alone"):
        suited_knobs("dreambooth-lora", name)


def test_a_base_that_is_not_there_is_a_mistake() -> None:
    with pytest.raises(UserError, match="no base 'nowhere'"):
        make_recipe("lora", {"base": "nowhere"})


def test_settings_of_a_run_are_found_without_fetching_its_base(
    toy_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(fetch, "list_files", never)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    run = learn(make_character(1), PromptOnly(base=str(toy_base), description="a girl"), tmp_path / "run")
    manifest = json.loads((run.folder / "run.json").read_text())
    for name, expected in (("somebody/toy", DrawSettings()), ("klein", DrawSettings(steps=50, guidance=4.0))):
        (run.folder / "run.json").write_text(json.dumps({**manifest, "base": name}))
        assert suited_settings(run.folder) == expected
