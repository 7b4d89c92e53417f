"""understudy draw: prompts in, pictures of the character out."""

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
    warn_if_unread,
)


@click.command(cls=DrawVerb)
@click.argument("run", type=RUN)
@click.argument("prompt", required=False)
@click.option("--prompts", type=FILE, help="A text file instead of PROMPT, one prompt a line.")
@click.option("--count", type=COUNT, help="How many pictures of each prompt. [default: 4]")
@seed_option
@click.option("--best", type=COUNT, help="Keep this many of each prompt, by the judge; see --of.")
@click.option("--of", type=COUNT, help="How many to draw for --best; the rest stay in others/. [default: 4]")
@click.option("--from", "source", type=FILE, help="A sketch or picture to begin from; see --strength.")
@click.option("--strength", type=STRENGTH, help="How far to leave it: 0.3 a little, 1 all. [default: 0.7]")
@click.option("--base", help="Another base to draw on, which takes RUN's LoRA: kontext for one of flux, ...")
@click.option("--grid", type=FILE, help="Also write all of them to this PNG, a row for each prompt.")
@click.option("--flat", is_flag=True, help="Also write each in the drawings' flat colours.")
@click.option(
    "--cut-out", is_flag=True, help="Also write each on a transparent ground; with --flat the flat ones."
)
@pictures_option
def draw(
    run: Path,
    prompt: str | None,
    prompts: Path | None,
    count: int | None,
    seed: int,
    best: int | None,
    of: int | None,
    source: Path | None,
    strength: float | None,
    base: str | None,
    grid: Path | None,
    flat: bool,
    cut_out: bool,
    out: Path | None,
    **settings: object,
) -> None:
    """Draw PROMPT with the character that RUN has learned.

    The character's name in PROMPT, or {name}, stands for it.
    """
    from understudy import cutting, flattening, picking, pictures
    from understudy.methods.another_base import on_another_base
    from understudy.options import draw_settings
    from understudy.recipes import PUPPET
    from understudy.runs import open_run
    from understudy.terminal import listening

    _refuse_pairs(count, best, of, source, strength, grid)
    opened = open_run(run)
    if base is not None:
        with listening() as notify:
            opened = on_another_base(opened, base, notify)
    asked = draw_settings(opened, given(**settings))
    begun = opened.manifest
    name = begun.name
    wishes = _wishes(prompt, prompts, name)
    sketch = pictures.read_sketch(source, strength or pictures.STRENGTH) if source else None
    warn_if_left_out(wishes, name)
    if begun.base == PUPPET:
        warn_if_unread(wishes, name)
    with listening() as notify:
        if best is not None:
            paths = picking.draw_best(opened, wishes, best, of or 4, seed, asked, out, notify, sketch=sketch)
        else:
            scenes = pictures.seeded_scenes(wishes, count or 4, seed)
            paths = pictures.draw(opened, scenes, asked, out, notify, sketch=sketch)
        shown = paths
        if flat:
            shown = flattening.flatten_pictures(run, paths, notify=notify)
            paths = [*paths, *shown]
        if cut_out:
            paths = [*paths, *cutting.cut_out_pictures(shown, notify=notify)]
    if grid is not None:
        pictures.write_grid(shown, grid)
    say([*paths, *([grid] if grid else [])])


def _wishes(prompt: str | None, prompts: Path | None, name: str) -> list[str]:
    """The prompts, {name} filled in; raises `UserError` where there is none, or one of them is empty."""
    from understudy.domain import UserError
    from understudy.pictures import read_prompts

    if (prompt is None) == (prompts is None):
        raise UserError("Give either a PROMPT or a file of them with --prompts.")
    wishes = [prompt or ""] if prompts is None else read_prompts(prompts)
    wishes = [wish.replace("{name}", name) for wish in wishes]
    if not all(wish.strip() for wish in wishes):
        raise UserError("The prompt is empty: say what the pictures show.")
    return wishes


def _refuse_pairs(
    count: int | None,
    best: int | None,
    of: int | None,
    source: Path | None,
    strength: float | None,
    grid: Path | None,
) -> None:
    from understudy.domain import UserError

    if best is not None and count is not None:
        raise UserError("--count and --best do not go together: say with --of how many to draw.")
    if of is not None and best is None:
        raise UserError("--of says from how many to pick: say with --best how many to keep.")
    if strength is not None and source is None:
        raise UserError("--strength says how far to leave a sketch: give one with --from.")
    if grid is not None and grid.suffix.lower() != ".png":
        raise UserError(f"A grid is a PNG picture: give {grid.with_suffix('.png')}.")
