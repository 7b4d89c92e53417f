"""understudy cut-out: a figure without its ground."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import FILE, OUT, Verb, say


@click.command("cut-out", cls=Verb)
@click.argument("pictures", type=FILE, nargs=-1, required=True)
@click.option("--out", type=OUT, help="The folder to write to. [default: beside each picture]")
def cut_out(pictures: tuple[Path, ...], out: Path | None) -> None:
    """Write PICTURES on a transparent ground.

    They may be pictures that understudy drew, or your own drawings.
    """
    from understudy.cutting import cut_out_pictures
    from understudy.terminal import listening

    with listening() as notify:
        paths = cut_out_pictures(pictures, out, notify)
    say(paths)
