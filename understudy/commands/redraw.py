"""understudy redraw: a part of a picture anew, the rest as it was."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import (
    COUNT,
    FILE,
    RUN,
    STRENGTH,
    DrawVerb,
    given,
    pictures_option,
    say,
    seed_option,
    warn_if_left_out,
)


@click.command(cls=DrawVerb)
@click.argument("run", type=RUN)
@click.argument("picture", type=FILE)
@click.argument("prompt")
@click.option("--mask", type=FILE, help="A picture of the same size: white where to draw, black elsewhere.")
@click.option("--part", help='What to draw instead of --mask: face, hair, "left hand", "held thing" ...')
@click.option("--strength", type=STRENGTH, help="How far to leave what is there: 1 all. [default: 0.6]")
@click.option("--count", type=COUNT, default=1, show_default=True, help="How many pictures.")
@seed_option
@pictures_option
def redraw(
    run: Path,
    picture: Path,
    prompt: str,
    mask: Path | None,
    part: str | None,
    strength: float | None,
    count: int,
    seed: int,
    out: Path | None,
    **settings: object,
) -> None:
    """Draw a part of PICTURE anew; the rest stays to the pixel.

    PROMPT tells the whole scene, not the part alone. Say which part with --mask or --part.
    """
    from understudy import redrawing
    from understudy.domain import UserError
    from understudy.options import draw_settings
    from understudy.runs import open_run
    from understudy.terminal import listening

    if not prompt.strip():
        raise UserError("The prompt is empty: say what the picture shows.")
    asked = draw_settings(run, given(**settings))
    warn_if_left_out([prompt], open_run(run).manifest.name)
    how_far = strength or redrawing.STRENGTH
    with listening() as notify:
        paths = redrawing.redraw(run, picture, prompt, mask, part, how_far, count, seed, asked, out, notify)
    say(paths)
