"""understudy bases: the bases that are known by name, and which of them this machine can take."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from understudy.commands.verb import Verb, json_option

if TYPE_CHECKING:
    from rich.table import Table

    from understudy.bases.choosing.advice import Here
    from understudy.bases.choosing.machine import Gpu

WIDTH_IN_A_FILE = 150
WIDTH_FOR_WORDS = 100


@click.command(cls=Verb)
@json_option
def bases(as_json: bool) -> None:
    """List the bases known by name, and which fit this machine.

    Memory is what learn's planner forecasts and what drawing is estimated to take, from the most frugal way
    to the fastest, for one picture of the base's own size. Any other repository of the Hub, a folder or a
    .safetensors file can be a base, too.
    """
    from understudy.bases.choosing.advice import look_at_bases, say_advice
    from understudy.bases.choosing.machine import find_gpu

    gpu = find_gpu()
    found = look_at_bases(gpu)
    if as_json:
        click.echo(json.dumps([_as_data(one, gpu) for one in found], indent=2))
        return
    _show(found, gpu)
    click.echo(say_advice(gpu))


def _as_data(one: Here, gpu: Gpu | None) -> Mapping[str, object]:
    from understudy.bases.choosing.advice import advise, say_plan
    from understudy.bases.choosing.memory import (
        LEARNING_PLANS,
        download_gb,
        estimate_drawing,
        forecast_learning,
        list_drawing_plans,
    )

    base, size = one.base, one.base.size
    learning = {str(plan): round(forecast_learning(size, plan), 1) for plan in LEARNING_PLANS}
    return {
        "name": base.name,
        "family": base.family,
        "repository": base.repository,
        "vae_repository": base.vae_repository,
        "licence": base.licence.name,
        "licence_url": base.licence.url,
        "licence_says": base.licence.says,
        "commercial": base.licence.commercial,
        "gated": base.gated,
        "billions": {
            "denoiser": size.denoiser,
            "encoders": size.encoders,
            "vae": size.vae,
        },
        "size_gb": round(download_gb(size), 1),
        "side_px": size.side_px,
        "steps": base.steps,
        "guidance": base.guidance,
        "draws_from_references": base.draws_from_references,
        "learns": base.learns,
        "good_at": base.strengths,
        "forecast_gib_to_learn": learning if base.learns else {},
        "estimated_gib_to_draw": {
            str(plan): round(estimate_drawing(size, plan), 1) for plan in list_drawing_plans(base.family)
        },
        "learns_here": say_plan(one.learning, gpu),
        "draws_here": say_plan(one.drawing, gpu),
        "folder": str(one.folder) if one.folder else None,
        "is_advised": base is advise(gpu),
    }


def _show(found: Sequence[Here], gpu: Gpu | None) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(highlight=False, markup=False, width=WIDTH_IN_A_FILE)
    console.print(_table_of_words(found, console.width))
    console.print()
    console.print(_table_of_figures(found))
    console.print("* on the Hub its licence must be accepted first\n")
    if gpu:
        console.print(_table_of_fit(found, gpu))
        console.print()


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> Table:
    """Lines break between words only: names are to be copied."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, collapse_padding=True, pad_edge=False)
    for title, *cells in zip(titles, *rows, strict=True):
        longest = max(len(word) for cell in (title, *cells) for word in cell.split())
        table.add_column(title, min_width=longest, justify="right" if title in right else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _table_of_words(found: Sequence[Here], width: int) -> Table:
    """The repository beside what the base is good at, or above it where there is no room."""
    said = [(one.base.name, one.base.repository or "in this package", one.base.strengths) for one in found]
    if width >= WIDTH_FOR_WORDS:
        return _table(("base", "repository", "good at"), said)
    stacked = [(name, "\n".join(on)) for name, *on in said]
    return _table(("base", "repository, and what it is good at"), stacked)


def _table_of_figures(found: Sequence[Here]) -> Table:
    right = ("GB", "GiB to learn", "GiB to draw")
    titles = ("base", "licence", "commercial", *right, "on disk")
    return _table(titles, [_figures(one) for one in found], right)


def _table_of_fit(found: Sequence[Here], gpu: Gpu) -> Table:
    """What alone depends on the machine."""
    from understudy.bases.choosing.advice import say_plan

    rows = [(one.base.name, say_plan(one.learning, gpu), say_plan(one.drawing, gpu)) for one in found]
    return _table(("base", "learns here", "draws here"), rows)


def _figures(one: Here) -> tuple[str, ...]:
    from understudy.bases.choosing.memory import (
        LEARNING_PLANS,
        download_gb,
        estimate_drawing,
        forecast_learning,
        list_drawing_plans,
    )

    base, size = one.base, one.base.size
    has_condition = base.licence.commercial == "conditions"
    learning = [forecast_learning(size, plan) for plan in LEARNING_PLANS]
    drawing = [estimate_drawing(size, plan) for plan in list_drawing_plans(base.family)]
    return (
        base.name + "*" * bool(base.gated),
        base.licence.name,
        base.licence.says if has_condition else base.licence.commercial,
        f"{download_gb(size):.1f}",
        _range(learning) if base.learns else "-",
        _range(drawing),
        "yes" if one.folder else "",
    )


def _range(gib: Sequence[float]) -> str:
    return f"{min(gib):.1f}-{max(gib):.1f}" if max(gib) >= 0.1 else "below 0.1"
