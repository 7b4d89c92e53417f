from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from understudy.domain import UserError
from understudy.recipes import RECIPES as BY_METHOD
from understudy.recipes import (
    DrawSettings,
    DreamBooth,
    DreamBoothLora,
    Gan,
    Lora,
    PromptOnly,
    Recipe,
    ScratchDiffusion,
    TextualInversion,
    place_subject,
    read_recipe,
    says_name,
    write_toml,
)

RECIPES = [
    DreamBoothLora(),
    DreamBoothLora(subject="{name} {noun}", targets=("attention",), flips=True, prior_prompts=("a {noun}",)),
    DreamBoothLora(vectors=3, initial="{noun} {name}", text_learning_rate=1e-5),
    DreamBoothLora(adapter="oft", rank=8, pull=0.5),
    DreamBoothLora.from_preset("thesis"),
    Lora.from_preset("thesis"),
    DreamBooth.from_preset("thesis"),
    TextualInversion.from_preset("paper"),
    PromptOnly(description='a "girl"\n with ümlauts \\ and more'),
    PromptOnly(description="".join(map(chr, [*range(32), 127, 0x85, 0x2028]))),
    Gan.from_preset("dcgan"),
    ScratchDiffusion.from_preset("thesis"),
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_toml_round_trip(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(write_toml(recipe), encoding="utf-8")
    assert read_recipe(path) == recipe


@pytest.mark.parametrize("model", [*BY_METHOD.values(), DrawSettings])
def test_every_knob_has_help(model: type[Recipe | DrawSettings]) -> None:
    assert all(field.description for name, field in model.model_fields.items() if name != "method")


@pytest.mark.parametrize(
    "text",
    [
        "steps = ",
        "steps = 3",
        'method = "magic"',
        'method = "dreambooth-lora"\nsteps = 0',
        'method = "dreambooth-lora"\nlearing_rate = 1.0',
        'method = "dreambooth-lora"\nsubject = "{nme}"',
        'method = "dreambooth-lora"\nprior_prompts = ["a {place}"]',
        'method = "dreambooth-lora"\nseed = 4294967296',
        'method = "dreambooth-lora"\nprior_share = 1.0',
        'method = "dreambooth-lora"\nalpha = inf',
        'method = "dreambooth-lora"\nvectors = 33',
        'method = "dreambooth-lora"\ninitial = "{place}"',
        'method = "textual-inversion"\nvectors = 0',
        'method = "textual-inversion"\nprior_weight = 1.0',
        'method = "dreambooth"\nsave_as = "checkpoint"',
        'method = "dreambooth-lora"\nmin_rank = 33',
        'method = "dreambooth-lora"\nadapter = "lokr"\ntext_learning_rate = 1e-5',
        'method = "lora"\nvectors = 2',
        'method = "lora"\ntargets = ["everything"]',
        'method = "gan"\nsize_px = 48',
        'method = "scratch-diffusion"\nnoise_levels = 5',
    ],
)
def test_mistakes_get_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(UserError) as mistake:
        read_recipe(path)
    assert "\n" not in str(mistake.value)


@pytest.mark.parametrize(
    ("knobs", "min_rank", "follows"),
    [
        ({}, 8, True),
        ({"rank": 16}, 8, True),
        ({"rank": "16"}, 8, True),
        ({"rank": 8}, 0, False),
        ({"rank": "2"}, 0, False),
        ({"adapter": "oft"}, 0, False),
        ({"rank": 4, "min_rank": 4}, 4, False),
        ({"rank": 4, "min_rank": 2}, 2, True),
    ],
)
def test_a_least_rank_that_nobody_named_gives_way(
    knobs: dict[str, object], min_rank: int, follows: bool
) -> None:
    recipe = DreamBoothLora.model_validate(knobs)
    assert (recipe.min_rank, recipe.follows_noise) == (min_rank, follows)


def test_recipes_are_frozen_and_closed() -> None:
    with pytest.raises(ValidationError):
        DreamBoothLora().steps = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        DreamBoothLora(unknown=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ("a picture of Pip sad", "a picture of a red girl sad"),
        ("pip, PIP's hat", "a red girl, a red girl's hat"),
        ("a pipe and Pippin", "a pipe and Pippin"),
        ("nobody", "nobody"),
    ],
)
def test_name_means_the_character(prompt: str, read: str) -> None:
    assert place_subject(prompt, "Pip", "a red girl") == read


def test_says_name() -> None:
    assert says_name("a picture of pip, sad", "Pip")
    assert not says_name("a pipe and Pippin", "Pip")


def test_what_no_file_can_hold_is_refused() -> None:
    with pytest.raises(ValidationError):
        PromptOnly(description="\udcff")
    with pytest.raises(ValidationError):
        DreamBoothLora(prior_prompts=("\udcff",))


def test_words_are_taken_as_they_are() -> None:
    assert place_subject("a picture of M.O. (x)", "M.O. (x)", r"\1 {name}") == r"a picture of \1 {name}"


def test_words_of_the_character() -> None:
    assert DreamBoothLora().words("Pip", "girl") == "Pip"
    assert DreamBoothLora(subject="{name} {noun}").words("Pip", "girl") == "Pip girl"
    assert DreamBoothLora(vectors=2).words("Pip", "girl") == "<pip>"
    assert TextualInversion(subject="a {name} {noun}").words("M.O. the 2nd", "owl") == "a <m-o-the-2nd> owl"
    assert TextualInversion().words("猫", "cat") == "<character>"
    assert PromptOnly().words("Pip", "owl") == "an owl"
    assert Lora().words("Pip", "owl") == "an owl"
    assert Lora(subject="a red {noun}").words("Pip", "owl") == "a red owl"
    assert PromptOnly(description="a red girl").words("Pip", "owl") == "a red girl"


def test_a_learned_word_begins_as_the_template_says() -> None:
    assert TextualInversion().initial_words("Pip", "owl") == "an owl"
    assert TextualInversion().initial_words("Pip", "owl", "a red owl") == "a red owl"
    assert TextualInversion(initial="small {described}").initial_words("Pip", "owl") == "small an owl"
    assert DreamBoothLora(vectors=2).initial_words("Pip", "owl", "a red owl") == "an owl"
    assert DreamBoothLora(initial="red {noun}").initial_words("Pip", "owl") == "red owl"


def test_class_prompts_say_the_noun_in_turn() -> None:
    recipe = DreamBoothLora(prior_prompts=("a sad {noun}", "a picture of {a_noun}"))
    prompts = [recipe.prior_prompt(number, "owl") for number in range(3)]
    assert prompts == ["a sad owl", "a picture of an owl", "a sad owl"]
