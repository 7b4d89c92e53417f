"""The knobs of the recipes as command-line options: names, kinds and help come from the recipes alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TypeVar, get_args

import click
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from understudy.bases.recommended import suited_knobs, suited_settings
from understudy.domain import UserError
from understudy.events import Notify, ignore
from understudy.recipes import RECIPES, DrawSettings, Faster, Recipe, explain, is_usual
from understudy.runs import StrPath

DRAWN = ("steps", "guidance", "negative", "width", "height", "scheduler", "references")
"""The settings of drawing that change the picture."""
FASTER = tuple(Faster.model_fields)
"""Those that draw it faster, or in less memory."""
Settings = TypeVar("Settings", bound=BaseModel)
OWN, USUAL_KNOBS = "Options", "Usual knobs"
TO_DRAW_FASTER = "For experts, to draw faster on a large base"
"""Sections of a help."""
_METAVARS = {int: "INTEGER", float: "NUMBER", str: "TEXT"}


class KnobOption(click.Option):
    """An option that comes from a knob, and the section of the help in which it stands."""

    def __init__(
        self,
        names: Sequence[str],
        section: str,
        help: str,
        metavar: str | None = None,
        multiple: bool = False,
        default: None = None,
    ) -> None:
        super().__init__(names, help=help, metavar=metavar, multiple=multiple, default=default)
        self.section = section


@cache
def recipe_options() -> tuple[KnobOption, ...]:
    """An option for each knob of any recipe, in the recipes' order."""
    knobs: dict[str, FieldInfo] = {}
    owners: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    for method, recipe in RECIPES.items():
        for name, knob in recipe.model_fields.items():
            first = knobs.setdefault(name, knob)
            owners.setdefault(name, []).append(method)
            if knob.default != first.default:
                others.setdefault(name, []).append(f"; {method}: {_shown(knob.default)}")
    options = (
        _option(
            name, knob, "".join(others.get(name, ())) + _whose(owners[name]), _section(knob, owners[name])
        )
        for name, knob in knobs.items()
        if name != "method"
    )
    return (_preset_option(), *options)


@cache
def draw_options() -> tuple[click.Option, ...]:
    """An option for each setting of drawing that changes the picture, and `faster_options`."""
    knobs = DrawSettings.model_fields
    return (*(_option(name, knobs[name]) for name in DRAWN), *faster_options())


@cache
def faster_options() -> tuple[click.Option, ...]:
    """An option for each setting that draws faster, in a section for experts."""
    knobs = DrawSettings.model_fields
    return tuple(_option(name, knobs[name], section=TO_DRAW_FASTER) for name in FASTER)


def make_recipe(
    method: str, given: Mapping[str, object], preset: str | None = None, notify: Notify = ignore
) -> Recipe:
    """The recipe of `method` with the knobs that were given, over those of `preset`, if one is named.

    Else they are over what suits the base; a preset is what somebody else did, on any base.
    Raises `UserError` for a knob or a preset that the method lacks.
    """
    recipe = RECIPES[method]
    for name in given:
        if name not in recipe.model_fields:
            raise UserError(f"The method {method} has no {_flag(name)}: leave it out.")
    with _explaining():
        if preset is not None:
            return recipe.from_preset(preset, given)
        return recipe.model_validate({**suited_knobs(method, given.get("base"), notify), **given})


def is_list(method: str, name: str) -> bool:
    """Whether the knob takes several values at once; raises `UserError` for a method that is not known."""
    if method not in RECIPES:
        raise UserError(f"There is no method {method!r}: take one of {', '.join(RECIPES)}.")
    knob = RECIPES[method].model_fields.get(name)
    return knob is not None and isinstance(knob.default, tuple)


def validated(settings: type[Settings], given: Mapping[str, object]) -> Settings:
    """Settings from what was given on the command line; raises `UserError` for a value that does not fit."""
    with _explaining():
        return settings.model_validate(given)


def draw_settings(run: StrPath, given: Mapping[str, object]) -> DrawSettings:
    """Settings of drawing from what was given on the command line, over what suits the run's base.

    With a few-step LoRA they are over what suits that. Raises `UserError` for a value that does not fit.
    """
    suited = suited_settings(run, str(given.get("fast", "")))
    return validated(DrawSettings, {**suited.model_dump(), **given})


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise UserError(f"This setting does not fit ({explain(error)}): mend it.") from error


def write_options(
    options: Iterable[click.Parameter], ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    """Write options into a help: the verb's own, the recipes' usual knobs, then the experts' by method."""
    sections: dict[str, list[tuple[str, str]]] = {OWN: [], USUAL_KNOBS: []}
    for option in options:
        record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
        if record is not None:
            section = option.section if isinstance(option, KnobOption) else OWN
            sections.setdefault(section, []).append(record)
    for title, records in sections.items():
        if not records:
            continue
        with formatter.section(title):
            formatter.write_dl(records)


def _whose(methods: Sequence[str]) -> str:
    """Which methods have a knob, where most have not."""
    return f"; only for {', '.join(methods)}" if len(methods) <= len(RECIPES) / 2 else ""


def _section(knob: FieldInfo, methods: Sequence[str]) -> str:
    if is_usual(knob):
        return USUAL_KNOBS
    return f"For experts, {'all methods' if len(methods) == len(RECIPES) else ', '.join(methods)}"


def _preset_option() -> KnobOption:
    named = (f"{method}: {', '.join(recipe.presets)}" for method, recipe in RECIPES.items() if recipe.presets)
    known = "; ".join(named)
    return KnobOption(
        ["--preset"],
        section=USUAL_KNOBS,
        metavar="NAME",
        help=f"A named set of knobs, under those that you give{f' ({known})' if known else ''}.",
    )


def _option(name: str, knob: FieldInfo, others: str = "", section: str = OWN) -> KnobOption:
    """An option without a value of its own: what is not given is left to the recipe.

    `others` says where other methods have another default.
    """
    flag = _flag(name)
    text = f"{knob.description} [default: {_shown(knob.default)}{others}]"
    if bool in get_args(knob.annotation):  # what is done where neither is said, the description says
        return KnobOption([f"{flag}/--no-{flag[2:]}"], section, str(knob.description))
    if knob.annotation is bool:
        return KnobOption([f"{flag}/--no-{flag[2:]}"], default=None, help=text, section=section)
    is_list = isinstance(knob.default, tuple)
    # tuple[Target, ...] and int | None say in their first place what is asked for.
    kind = get_args(knob.annotation)[0] if is_list or knob.default is None else knob.annotation
    metavar = _METAVARS.get(kind, "TEXT") if isinstance(kind, type) else "TEXT"
    help_text = f"{text} May be given several times." if is_list else text
    return KnobOption(
        [flag], multiple=is_list, default=None, metavar=metavar, help=help_text, section=section
    )


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
