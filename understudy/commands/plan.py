"""understudy plan: how learning on a base would compute, and in how much memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from understudy.commands.verb import PlanVerb, given, json_option

if TYPE_CHECKING:
    from understudy.bases.choosing.known import KnownBase
    from understudy.domain import UserError

GIB = 2**30
MIB = 2**20
KEPT_FOR = ("dreambooth-lora", "lora")
"""The methods for which the figures of known bases are kept, at batch 1 and the base's own size."""


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
    the first that fits. Nothing is learned, and of a base only the configs are fetched; where they cannot be,
    the figures of one known by name are those that come with understudy.
    """
    from understudy.bases.choosing.known import find_known
    from understudy.bases.fetching.fetch import fetch_configs
    from understudy.domain import UserError
    from understudy.methods.computing.learning_plans import find_free_bytes, preview_plans
    from understudy.methods.computing.plans import say
    from understudy.methods.refusing import check_family
    from understudy.options import make_recipe
    from understudy.recipes import Finetune
    from understudy.terminal import listening

    recipe = make_recipe(method, given(**knobs), preset)
    assert isinstance(recipe, Finetune)
    free = find_free_bytes() if memory_gib is None else int(memory_gib * GIB)
    known = find_known(recipe.base)
    with listening() as notify:
        check_family(recipe, notify)
        try:
            folder = fetch_configs(recipe.base, notify)
        except UserError as error:
            named = given(**knobs, preset=preset).keys() - {"base"}
            if known is None or named or processes > 1 or method not in KEPT_FOR:
                raise
            _say_kept(known, free, as_json, error)
            return
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
    _say_what_fits(free, taken is not None)


def _say_kept(known: KnownBase, free: int | None, as_json: bool, error: UserError) -> None:
    """The table from the figures that are kept of a base whose configs cannot be had, and why."""
    from understudy.bases.choosing.machine import RESERVE
    from understudy.bases.choosing.memory import LEARNING_PLANS, forecast_learning

    rows = [(str(each), round(forecast_learning(known.size, each) * GIB)) for each in LEARNING_PLANS]
    budget = None if free is None else int(free * (1 - RESERVE))
    fits = [budget is not None and peak <= budget for _, peak in rows]
    taken = fits.index(True) if any(fits) else None
    told = f"Kept figures: a LoRA at {known.size.side_px} pixels and batch 1, as its configs are not at hand."
    click.echo(f"{told} ({error})", err=True)
    if as_json:
        table = [
            {"plan": plan, "peak": round(peak / MIB), "fits": fits[at], "taken": at == taken}
            for at, (plan, peak) in enumerate(rows)
        ]
        figures = {"mib": table, "free": None if free is None else round(free / MIB), "kept": True}
        click.echo(json.dumps(figures, indent=2))
        return
    for at, (plan, peak) in enumerate(rows):
        click.echo(f"{'*' if at == taken else ' '} {peak / GIB:6.1f} GiB  {plan}")
    _say_what_fits(free, taken is not None)


def _say_what_fits(free: int | None, anything: bool) -> None:
    if free is None:
        click.echo("This machine has no graphics card: say with --memory-gib what is free on one.", err=True)
    elif not anything:
        there = f"{free / GIB:.1f} GiB"
        click.echo(f"Nothing fits in {there}: lower --resolution-px, or take a smaller base.", err=True)
    else:
        click.echo(f"* is what learn would take with {free / GIB:.1f} GiB free.", err=True)
