"""understudy demo: the whole way with the example character."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import COUNT, OUT, Verb, given, say


class DemoVerb(Verb):
    """Learns first, then draws."""

    after_stop = "what was learned so far stays, and the same command goes on from it."


@click.command(cls=DemoVerb)
@click.option("--out", type=OUT, default=Path("runs/demo"), show_default=True, help="The folder to write to.")
@click.option("--base", help="The base to learn on. [default: puppet]")
@click.option("--steps", type=COUNT, help="How many steps to learn. [default: the recipe's]")
def demo(out: Path, **knobs: object) -> None:
    """Learn, draw, judge and report with an example character.

    Twelve scenes are drawn and judged, and shown on a picture and a page.
    """
    from understudy.demo import run_demo
    from understudy.options import validated
    from understudy.recipes import DrawSettings, DreamBoothLora
    from understudy.terminal import listening

    recipe = validated(DreamBoothLora, given(**knobs))
    with listening() as notify:
        paths = run_demo(out, recipe, DrawSettings(), notify)
    say(paths)
