"""understudy draw: a prompt in, pictures of the character out."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import COUNT, FOLDER, OUT, SEED, DrawVerb, given, say


@click.command(cls=DrawVerb)
@click.argument("run", type=FOLDER)
@click.argument("prompt")
@click.option("--count", type=COUNT, default=4, show_default=True, help="How many pictures.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The first one's seed.")
@click.option("--out", type=OUT, help="The folder to write to. [default: RUN/pictures]")
def draw(run: Path, prompt: str, count: int, seed: int, out: Path | None, **settings: object) -> None:
    """Draw PROMPT with the character that RUN has learned; its name in PROMPT stands for it."""
    from understudy import pictures
    from understudy.domain import UserError
    from understudy.options import validated
    from understudy.recipes import DrawSettings, says_name
    from understudy.runs import open_run
    from understudy.terminal import listening

    if not prompt.strip():
        raise UserError("The prompt is empty: say what the pictures show.")
    asked = validated(DrawSettings, given(**settings))
    name = open_run(run).manifest.name
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # fails now, not when the first picture is drawn
    if not says_name(prompt, name):
        click.echo(f"The prompt does not say {name}, so the pictures will not show it.", err=True)
    scenes = pictures.seeded_scenes([prompt], count, seed)
    with listening() as notify:
        paths = pictures.draw(run, scenes, asked, out, notify)
    say(paths)
