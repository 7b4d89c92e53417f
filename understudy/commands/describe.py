"""understudy describe: what drawings are like, before they are learned."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import (
    OUT,
    Verb,
    drawings_argument,
    json_option,
    paper_option,
    say,
    say_next,
)


@click.command(cls=Verb)
@drawings_argument
@paper_option
@click.option("--out", type=OUT, help="Also write a page, a grid and the JSON to this folder.")
@json_option
def describe(drawings: tuple[Path, ...], paper: str, out: Path | None, as_json: bool) -> None:
    """Say what DRAWINGS are like, and what is missing among them.

    DRAWINGS are a folder, a zip, or files. Said are their sizes, colours and lines, and which views, framings
    and moods they show.
    """
    from understudy.reports.description import describe as describe_drawings
    from understudy.reports.description import refuse_drawings_folder, write_description
    from understudy.terminal import listening

    if out is not None:
        for place in drawings:
            refuse_drawings_folder(out, place)  # now, not after the work
    with listening() as notify:
        description = describe_drawings(drawings, notify, paper)
    paths = write_description(description, out) if out is not None else []
    click.echo(description.json() if as_json else description.text())
    if not as_json:
        say(paths)
        on_paper = () if paper == "white" else ("--paper", paper)
        say_next("Learn them", "learn", *map(str, drawings), "--name", "NAME", "--run", "RUN", *on_paper)
