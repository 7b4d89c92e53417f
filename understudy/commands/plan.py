"""understudy plan: how learning on a base would compute, and in how much memory."""

from __future__ import annotations

import json

import click

from understudy.commands.verb import PlanVerb, given, json_option

GIB = 2**30
MIB = 2**20


@click.command(cls=PlanVerb)
@click.option(
    "--method",
    type=click.Choice(["dreambooth-lora", "lora", "dreambooth", "textual-inversion"]),
    default="dreambooth-lora",
    show_default=True,
    help="How to learn.",
)
@click.option(
    "--memory-gib",
    type=click.FloatRange(0.5, 1000),
    help="What is free on the graphics card. [default: what is free on this machine's, if it has one]",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many learn together, each with such a card and its part of every batch.",
)
@json_option
def plan(
    method: str, memory_gib: float | None, processes: int, as_json: bool, preset: str | None, **knobs: object
) -> None:
    """Say how much memory learning takes.

    All ways to compute, from the fastest to the most frugal, in GiB of a graphics card's memory; learn takes
    the first that fits. Nothing is learned, and of a base known by name only the configs are fetched.
    """
    from understudy.methods.computing.learning_plans import find_configs, find_free_bytes, preview_plans
    from understudy.methods.computing.plans import say
    from understudy.options import make_recipe
    from understudy.recipes import Finetune
    from understudy.terminal import listening

    recipe = make_recipe(method, given(**knobs), preset)
    assert isinstance(recipe, Finetune)
    with listening() as notify:
        folder = find_configs(recipe.base, notify)
    free = find_free_bytes() if memory_gib is None else int(memory_gib * GIB)
    previews = preview_plans(recipe, folder, free, processes)
    taken = next((one for one in previews if one.fits), None)
    if as_json:
        rows = [
            {
                "plan": say(one.plan),
                **{name: round(size / MIB) for name, size in vars(one.forecast).items()},
                "peak": round(one.forecast.peak / MIB),
                "fits": one.fits,
                "taken": one is taken,
            }
            for one in previews
        ]
        click.echo(json.dumps({"mib": rows, "free": None if free is None else round(free / MIB)}, indent=2))
        return
    for one in previews:
        mark = "*" if one is taken else " "
        click.echo(f"{mark} {one.forecast.peak / GIB:6.1f} GiB  {say(one.plan)}")
    if free is None:
        click.echo("This machine has no graphics card: say with --memory-gib what is free on one.", err=True)
    elif taken is None:
        there = f"{free / GIB:.1f} GiB"
        click.echo(f"Nothing fits in {there}: lower --resolution-px, or take a smaller base.", err=True)
