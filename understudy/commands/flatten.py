"""understudy flatten: pictures in the drawings' flat colours."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import FILE, OUT, RUN, Verb, say


@click.command(cls=Verb)
@click.argument("run", type=RUN)
@click.argument("pictures", type=FILE, nargs=-1, required=True)
@click.option("--out", type=OUT, help="The folder to write to. [default: beside each picture]")
def flatten(run: Path, pictures: tuple[Path, ...], out: Path | None) -> None:
    """Write PICTURES with the flat colours of the drawings.

    They are pictures that understudy drew of the character that RUN has learned. Between its ink lines the
    figure gets the drawings' own colours; scenery and what is held stay as they are.
    """
    from understudy.flattening import flatten_pictures
    from understudy.terminal import listening

    with listening() as notify:
        paths = flatten_pictures(run, pictures, out, notify)
    say(paths)
