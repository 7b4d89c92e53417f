"""The knobs of the recipes as command-line options: names, kinds and help come from the recipes alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TypeVar, get_args

import click
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from understudy.domain import UserError
from understudy.recipes import DrawSettings, DreamBoothLora, PromptOnly, explain

RECIPES: dict[str, type[DreamBoothLora] | type[PromptOnly]] = {
    "dreambooth-lora": DreamBoothLora,
    "prompt-only": PromptOnly,
}
DRAWN = ("steps", "guidance", "negative", "width", "height", "scheduler")
"""The settings of drawing that change the picture."""
Settings = TypeVar("Settings", bound=BaseModel)
_METAVARS = {int: "INTEGER", float: "NUMBER", str: "TEXT"}


@cache
def recipe_options() -> tuple[click.Option, ...]:
    """An option for each knob of any recipe, in the recipes' order."""
    knobs: dict[str, FieldInfo] = {}
    for recipe in RECIPES.values():
        knobs = {**recipe.model_fields, **knobs}
    return tuple(_option(name, knob) for name, knob in knobs.items() if name != "method")


@cache
def draw_options() -> tuple[click.Option, ...]:
    """An option for each setting of drawing that changes the picture."""
    knobs = DrawSettings.model_fields
    return tuple(_option(name, knobs[name]) for name in DRAWN)


def make_recipe(method: str, given: Mapping[str, object]) -> DreamBoothLora | PromptOnly:
    """The recipe of `method` with the knobs that were given; raises `UserError` for one that it lacks."""
    recipe = RECIPES[method]
    for name in given:
        if name not in recipe.model_fields:
            raise UserError(f"The method {method} has no {_flag(name)}: leave it out.")
    return validated(recipe, given)


def validated(settings: type[Settings], given: Mapping[str, object]) -> Settings:
    """Settings from what was given on the command line; raises `UserError` for a value that does not fit."""
    try:
        return settings.model_validate(given)
    except ValidationError as error:
        raise UserError(f"This setting does not fit ({explain(error)}): mend it.") from error


def _option(name: str, knob: FieldInfo) -> click.Option:
    """An option without a value of its own: what is not given is left to the recipe."""
    flag = _flag(name)
    text = f"{knob.description} [default: {_shown(knob.default)}]"
    if knob.annotation is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}"], default=None, help=text)
    is_list = isinstance(knob.default, tuple)
    # tuple[Target, ...] and int | None say in their first place what is asked for.
    kind = get_args(knob.annotation)[0] if is_list or knob.default is None else knob.annotation
    metavar = _METAVARS.get(kind, "TEXT") if isinstance(kind, type) else "TEXT"
    help_text = f"{text} May be given several times." if is_list else text
    return click.Option([flag], multiple=is_list, default=None, metavar=metavar, help=help_text)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _shown(default: object) -> str:
    match default:
        case tuple():
            return ", ".join(map(str, default)) if len(default) <= 6 else f"{len(default)} of them"
        case "":
            return "none"
        case None:
            return "the base's own"
        case _:
            return str(default)
