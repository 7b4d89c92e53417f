"""understudy sweep: drawings in, a run for every combination of some knobs' values out."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import (
    OUT,
    LearnVerb,
    drawings_argument,
    given,
    name_option,
    noun_option,
    paper_option,
    say,
)


@click.command(cls=LearnVerb)
@drawings_argument
@name_option
@noun_option
@click.option("--out", type=OUT, required=True, help="The folder that gets a run for each combination.")
@click.option(
    "--set",
    "sets",
    multiple=True,
    required=True,
    metavar="KNOB=VALUE,VALUE...",
    help="The values of a knob to try, e.g. learning_rate=1e-4,1e-3. Given several times, every combination "
    "is learned. Where a knob is a list, + joins its parts: targets=attention,attention+feed-forward.",
)
@click.option("--method", default="dreambooth-lora", show_default=True, help="How to learn, as for learn.")
@paper_option
def sweep(
    drawings: tuple[Path, ...],
    name: str,
    noun: str,
    out: Path,
    sets: tuple[str, ...],
    method: str,
    paper: str,
    preset: str | None,
    **knobs: object,
) -> None:
    """Learn DRAWINGS once for each combination of knobs.

    Those of dreambooth-lora with the adapter lora that differ in learning rate, rank, min_rank, alpha and
    seed only are learned at once, in much less time than one after another. What is finished is skipped;
    after a stop the same command goes on.
    """
    import understudy
    from understudy.commands.learn import refuse_words
    from understudy.options import make_recipe
    from understudy.sweeps import combine
    from understudy.terminal import listening

    refuse_words(name)
    combinations = combine(dict(map(_read_axis, sets)))
    with listening() as notify:
        recipes = {
            out / folder: make_recipe(method, {**given(**knobs), **_as_parts(method, values)}, preset, notify)
            for folder, values in combinations.items()
        }
        character = understudy.read_character(drawings, name, noun, notify, paper)
        runs = understudy.sweep(character, recipes, notify)
    say([run.folder for run in runs])


def _read_axis(text: str) -> tuple[str, list[str]]:
    """ "rank=4,16" as the knob and its values; raises `UserError` where it is not of that form."""
    from understudy.domain import UserError

    knob, _, values = text.partition("=")
    if not knob.strip() or not values.strip():
        raise UserError(f"--set {text!r} is no knob with values: write e.g. --set rank=4,16.")
    return knob.strip().replace("-", "_"), [value.strip() for value in values.split(",")]


def _as_parts(method: str, values: dict[str, object]) -> dict[str, object]:
    """The values of knobs that are lists, split into their parts."""
    from understudy.options import is_list

    return {knob: str(value).split("+") if is_list(method, knob) else value for knob, value in values.items()}
