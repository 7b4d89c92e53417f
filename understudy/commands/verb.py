"""What the verbs share: their class, the kinds of their arguments, and how paths are said."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from understudy.terminal import speaks

FOLDER = click.Path(path_type=Path)
FILE = click.Path(path_type=Path)
OUT = click.Path(path_type=Path, file_okay=False)  # refused before the work, not after it
SEED = click.IntRange(0, 2**32 - 1)
COUNT = click.IntRange(1, 10_000)
STRENGTH = click.FloatRange(0, 1, min_open=True)


class RunFolder(click.Path):
    """The folder of a run; where there is none, that is said before anything large is imported."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """The path; raises `UserError` as `open_run` does."""
        from understudy.runs import open_run

        return open_run(Path(os.fsdecode(super().convert(value, param, ctx)))).folder


RUN = RunFolder(path_type=Path)
drawings_argument = click.argument("drawings", type=FOLDER, nargs=-1, required=True)
name_option = click.option("--name", required=True, help="What your prompts will call the character.")
noun_option = click.option(
    "--noun", default="character", show_default=True, help="What it is: girl, boy, cat, robot ..."
)
paper_option = click.option(
    "--paper", default="white", show_default=True, help="What transparent drawings lie on: a CSS colour."
)
seed_option = click.option(
    "--seed", type=SEED, default=0, show_default=True, help="The first picture's seed; the next count up."
)
pictures_option = click.option("--out", type=OUT, help="The folder to write to. [default: RUN/pictures]")
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the figures as JSON and nothing else."
)


class Verb(click.Command):
    """A verb of the command line; `after_stop` says what a user who pressed Ctrl-C has and does next."""

    after_stop = "the same command begins again."


class LearnVerb(Verb):
    """A verb that also takes the recipes' knobs, which are read only when this verb is called."""

    after_stop = "what was learned so far stays, and the same command goes on from it."

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The verb's own options, then the knobs, then --help."""
        from understudy.options import recipe_options

        *own, usage = super().get_params(ctx)
        return [*own, *recipe_options(), usage]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The usual knobs apart from those for experts."""
        from understudy.options import write_options

        write_options(self.get_params(ctx), ctx, formatter)


class PlanVerb(LearnVerb):
    """A verb that takes the recipes' knobs and learns nothing."""

    after_stop = Verb.after_stop


class DrawVerb(Verb):
    """A verb that also takes the settings of drawing, which are read only when this verb is called."""

    after_stop = "the pictures drawn so far stay, and the same command begins again with the first."

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The verb's own options, then the settings, then --help."""
        from understudy.options import draw_options

        *own, usage = super().get_params(ctx)
        return [*own, *draw_options(), usage]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Those for experts apart."""
        from understudy.options import write_options

        write_options(self.get_params(ctx), ctx, formatter)


def given(**options: object) -> dict[str, object]:
    """The options that were given; what was not is left to the recipe or the settings."""
    return {name: value for name, value in options.items() if value not in (None, ())}


def say(paths: Sequence[Path]) -> None:
    """Print paths, one a line."""
    for path in paths if speaks() else ():
        click.echo(path)


def say_next(sentence: str, *command: str) -> None:
    """Say on the error stream what to do next, as a command to copy."""
    if speaks():
        click.echo(f"{sentence}: understudy {shlex.join(command)}", err=True)


def warn_if_left_out(prompts: Sequence[str], name: str) -> None:
    """Say so on the error stream where prompts do not say the character's name."""
    from difflib import get_close_matches

    from understudy.recipes import says_name

    silent = [prompt for prompt in prompts if not says_name(prompt, name)]
    if silent:
        those = "The prompt does" if len(prompts) == 1 else "Some prompts do"
        words = [word.strip(".,;:!?\"'") for prompt in silent for word in prompt.split()]
        alike = get_close_matches(name.lower(), [word.lower() for word in words], 1, 0.7)
        hint = f" Is {alike[0]!r} misspelt?" if alike else ""
        click.echo(f"{those} not say {name}, so the pictures may show anybody.{hint}", err=True)


def warn_if_unread(prompts: Sequence[str], name: str) -> None:
    """Say so on the error stream where prompts ask for what the small base has no words for."""
    from understudy.world.captions import parse

    unread = dict.fromkeys(wish for prompt in prompts for wish in parse(prompt, name).not_judged)
    if unread:
        wishes = ", ".join(f"{wish!r}" for wish in unread)
        click.echo(
            f"The small base has no words for {wishes}, and leaves it out or draws something else: "
            "the README lists what it can draw.",
            err=True,
        )


def warn_if_unknown(noun: str) -> None:
    """Say so on the error stream where the small base does not know what a noun means."""
    from understudy.world.captions import parse

    if noun.strip() and parse(f"a picture of a {noun}").not_judged:
        click.echo(
            f"The small base does not know the noun {noun!r}, so it learns less well: leave --noun "
            "out, or say girl, boy, cat, robot or creature.",
            err=True,
        )
