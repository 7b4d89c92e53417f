"""understudy sheet: the page a comic artist makes first."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import COUNT, FOLDER, OUT, SEED, DrawVerb, given, say


@click.command(cls=DrawVerb)
@click.argument("run", type=FOLDER)
@click.option("--out", type=OUT, help="The folder to write to. [default: RUN/sheet]")
@click.option(
    "--size", type=click.Choice(["a4", "letter"]), default="a4", show_default=True, help="The paper."
)
@click.option("--of", type=COUNT, default=3, show_default=True, help="Each picture is the best of so many.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The first one's seed.")
def sheet(run: Path, out: Path | None, size: str, of: int, seed: int, **settings: object) -> None:
    """Write the character sheet of RUN as PDF and PNG: turnaround, moods, poses and palette."""
    from understudy.comics.sheet import make_sheet
    from understudy.options import validated
    from understudy.recipes import DrawSettings
    from understudy.terminal import listening

    asked = validated(DrawSettings, given(**settings))
    with listening() as notify:
        paths = make_sheet(run, out, size, of, seed, asked, notify)
    say(paths)
