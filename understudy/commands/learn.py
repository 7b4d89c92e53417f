"""understudy learn: drawings in, a run that has learned the character out."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import (
    FOLDER,
    LearnVerb,
    drawings_argument,
    given,
    name_option,
    noun_option,
    paper_option,
    say_next,
    warn_if_unknown,
)


@click.command(cls=LearnVerb)
@drawings_argument
@name_option
@noun_option
@click.option("--run", type=FOLDER, required=True, help="The folder that keeps all that is learned.")
@click.option(
    "--method",
    type=click.Choice(
        [
            "dreambooth-lora",
            "lora",
            "dreambooth",
            "textual-inversion",
            "prompt-only",
            "reference",
            "gan",
            "scratch-diffusion",
        ]
    ),
    default="dreambooth-lora",
    show_default=True,
    help="How to learn: an adapter, one without a name of its own, the whole denoiser, or only a word; the "
    "others are there to compare with: prompt-only and reference learn nothing, the base is told in words or "
    "shown drawings; gan and scratch-diffusion know nothing but the drawings.",
)
@paper_option
@click.option(
    "--grid-intensity",
    type=click.FloatRange(0, 10_000),
    envvar="UNDERSTUDY_GRID_INTENSITY",
    show_envvar=True,
    help="Grams of CO2e for a kWh where you are, for the footprint. [default: the world's average, 475]",
)
def learn(
    drawings: tuple[Path, ...],
    name: str,
    noun: str,
    run: Path,
    method: str,
    paper: str,
    grid_intensity: float | None,
    preset: str | None,
    **knobs: object,
) -> None:
    """Learn the character in DRAWINGS: a folder, a zip, or files.

    After a stop the same command goes on where it was.
    """
    import understudy
    from understudy.options import make_recipe
    from understudy.recipes import PUPPET, Finetune
    from understudy.terminal import listening

    refuse_words(name)
    with listening() as notify:
        recipe = make_recipe(method, given(**knobs), preset, notify)
        if isinstance(recipe, Finetune) and recipe.base == PUPPET:
            warn_if_unknown(noun)
        character = understudy.read_character(drawings, name, noun, notify, paper)
        understudy.learn(character, recipe, run, notify=notify, grid_intensity=grid_intensity)
    say_next("Learned. Now draw", "draw", str(run), f"a picture of {character.name} waving")


def refuse_words(name: str) -> None:
    """Raise `UserError` for a name that prompts could say without meaning the character."""
    from understudy.domain import UserError
    from understudy.world.reading import is_plain_word

    if name.strip() and (is_plain_word(name) or not name.isprintable()):
        raise UserError(
            f"{name!r} cannot be told from other words of a prompt: give the character another name."
        )
