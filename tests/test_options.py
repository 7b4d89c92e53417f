"""The knobs on the command line, and the presets that lie under them."""

from __future__ import annotations

from typing import ClassVar

import pytest
from pydantic import ValidationError

from understudy.comparisons.asked import Comparison
from understudy.domain import UserError
from understudy.options import USUAL_KNOBS, make_recipe, recipe_options
from understudy.recipes import RECIPES, PromptOnly, is_usual
from understudy.recipes.tuning import BASE_IS

PRESETS = [(method, preset) for method, recipe in RECIPES.items() for preset in recipe.presets]


class Worded(PromptOnly):
    presets: ClassVar = {"red": {"description": "a red girl"}, "odd": {"description": 3}}


class Plain(PromptOnly):
    presets: ClassVar = {}


def test_a_preset_lies_under_what_is_given() -> None:
    assert Worded.from_preset("red") == Worded(description="a red girl")
    assert Worded.from_preset("red", {"base": "elsewhere"}).description == "a red girl"
    assert Worded.from_preset("red", {"description": "mine"}) == Worded(description="mine")


def test_a_preset_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match=r"'blue': take one of red, odd\.$"):
        Worded.from_preset("blue")
    with pytest.raises(UserError, match="prompt-only has no preset 'blue': leave it out"):
        Plain.from_preset("blue")
    with pytest.raises(ValidationError):
        Worded.from_preset("odd")


def test_the_help_says_where_a_method_has_its_own_default() -> None:
    steps = next(option.help for option in recipe_options() if option.name == "steps")
    assert steps
    own = {
        method: recipe.model_fields["steps"].default
        for method, recipe in RECIPES.items()
        if "steps" in recipe.model_fields
    }
    assert f"[default: {own['dreambooth-lora']}" in steps
    assert f"; gan: {own['gan']}" in steps


def test_the_help_sets_usual_knobs_apart_from_those_for_experts() -> None:
    sections = {option.name: option.section for option in recipe_options()}
    assert {name for name, section in sections.items() if section == USUAL_KNOBS} == {
        "preset",
        *(
            name
            for recipe in RECIPES.values()
            for name, knob in recipe.model_fields.items()
            if is_usual(knob) and name != "method"
        ),
    }
    assert {"steps", "seed", "base", "flips"} <= {
        n for n, section in sections.items() if section == USUAL_KNOBS
    }
    assert sections["size_px"] == USUAL_KNOBS
    assert "gan" in sections["latent"]
    assert "dreambooth-lora" not in sections["latent"]
    assert "dreambooth-lora" in sections["rank"]


def test_a_knob_that_few_methods_have_says_which() -> None:
    helps = {option.name: option.help or "" for option in recipe_options()}
    assert "only for prompt-only]" in helps["description"]
    assert "only for" not in helps["steps"]


def test_a_knob_is_of_one_kind_in_all_recipes() -> None:
    kinds: dict[str, set[type]] = {}
    for recipe in RECIPES.values():
        for name, knob in recipe.model_fields.items():
            kinds.setdefault(name, set()).add(type(knob.default))
    assert {name: kind for name, kind in kinds.items() if len(kind) > 1} == {}


@pytest.mark.parametrize(("method", "preset"), PRESETS)
def test_every_preset_is_a_recipe_and_is_named_in_the_help(method: str, preset: str) -> None:
    recipe = make_recipe(method, {}, preset)
    assert recipe.method == method
    help_text = next(option.help for option in recipe_options() if option.name == "preset")
    assert help_text
    assert preset in help_text.partition(f"{method}: ")[2].partition(";")[0]


def test_all_helps_say_the_same_of_what_a_base_can_be() -> None:
    kinds = [one for one in (*RECIPES.values(), Comparison) if "base" in one.model_fields]
    assert len(kinds) > 5
    for kind in kinds:
        assert BASE_IS in str(kind.model_fields["base"].description)
