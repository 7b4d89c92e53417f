"""understudy hero: an invented character to try things out with."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import OUT, SEED, Verb, say, say_next


@click.command(cls=Verb)
@click.argument("seed", type=SEED)
@click.option("--out", type=OUT, required=True, help="The folder to write to.")
@click.option("--scene", help="Draw this scene instead of the six drawings, as the truth to compare with.")
def hero(seed: int, out: Path, scene: str | None) -> None:
    """Draw the invented character number SEED, to try things out.

    Six drawings with captions are written, to be learned like an artist's.
    """
    from understudy.world.heroes import hero as find_hero
    from understudy.world.portfolio import write_drawings, write_scene

    character = find_hero(seed)
    if scene is not None:
        say([write_scene(character, scene, out)])
        return
    say(write_drawings(character, out))
    name, noun = character.name, character.noun
    run = f"runs/{name.lower()}"
    say_next("Learn it", "learn", str(out), "--name", name, "--noun", noun, "--run", run)
