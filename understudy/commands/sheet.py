"""understudy sheet: the page a comic artist makes first."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import COUNT, OUT, RUN, DrawVerb, given, say, seed_option


@click.command(cls=DrawVerb)
@click.argument("run", type=RUN)
@click.option("--out", type=OUT, help="The folder to write to. [default: RUN/sheet]")
@click.option(
    "--size", type=click.Choice(["a4", "letter"]), default="a4", show_default=True, help="The paper."
)
@click.option("--of", type=COUNT, default=3, show_default=True, help="Each picture is the best of so many.")
@click.option("--flat", is_flag=True, help="Show them in the drawings' flat colours.")
@click.option("--marks/--no-marks", default=True, show_default=True, help="Mark what the judge failed.")
@seed_option
def sheet(
    run: Path, out: Path | None, size: str, of: int, flat: bool, marks: bool, seed: int, **settings: object
) -> None:
    """Write the character sheet of RUN as PDF and PNG.

    It shows the character's turnaround, moods, poses and palette, drawn anew. A cross behind a label marks a
    picture that the judge failed.
    """
    from understudy.comics.sheet import make_sheet
    from understudy.options import draw_settings
    from understudy.terminal import listening

    asked = draw_settings(run, given(**settings))
    with listening() as notify:
        paths = make_sheet(run, out, size, of, seed, asked, notify, flat=flat, marks=marks)
    say(paths)
