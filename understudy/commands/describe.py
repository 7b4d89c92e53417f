"""understudy describe: what drawings are like, before they are learned."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import FOLDER, OUT, Verb, say


@click.command(cls=Verb)
@click.argument("drawings", type=FOLDER, nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON and nothing else.")
@click.option("--out", type=OUT, help="Also write a page, a grid and the JSON to this folder.")
def describe(drawings: tuple[Path, ...], as_json: bool, out: Path | None) -> None:
    """Say what DRAWINGS (folders, files, zips) are like: sizes, colours, lines, views, what is missing."""
    from understudy.reports.description import describe as describe_drawings
    from understudy.reports.description import refuse_drawings_folder, write_description
    from understudy.terminal import listening

    if out is not None:
        for place in drawings:
            refuse_drawings_folder(out, place)  # now, not after the work
    with listening() as notify:
        description = describe_drawings(drawings, notify)
    paths = write_description(description, out) if out is not None else []
    click.echo(description.json() if as_json else description.text())
    if not as_json:
        say(paths)
