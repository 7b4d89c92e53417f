"""understudy export: what a run has learned, as a file for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from understudy.commands.verb import COUNT, FILE, RUN, Verb, say


@click.command(cls=Verb)
@click.argument("run", type=RUN)
@click.option(
    "--format",
    "form",
    type=click.Choice(["kohya", "diffusers"]),
    default="kohya",
    show_default=True,
    help="kohya is what ComfyUI and A1111 read; diffusers is for its load_lora_weights.",
)
@click.option("--out", type=FILE, help="The file to write. [default: in RUN/exported]")
@click.option("--step", type=COUNT, help="The weights after this step. [default: the newest]")
def export(run: Path, form: Literal["kohya", "diffusers"], out: Path | None, step: int | None) -> None:
    """Write what RUN has learned for other tools.

    The file says the words for the character, the base that it fits, and whose the drawings are.
    """
    from understudy.exporting import export as write_export
    from understudy.terminal import listening

    with listening() as notify:
        paths = write_export(run, form, out, step, notify)
    say(paths)
