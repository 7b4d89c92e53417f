"""The command line: one short function per verb; what is heavy is imported inside it."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

STOPPED = 130  # what shells report for Ctrl-C
MISTAKE = 2
FOLDER = click.Path(path_type=Path)
SEED = click.IntRange(min=0)
COUNT = click.IntRange(min=1)


class RecipeCommand(click.Command):
    """A verb that also takes the recipes' knobs, which are read only when this verb is called."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The verb's own options, then the knobs, then --help."""
        from understudy.options import recipe_options

        *own, usage = super().get_params(ctx)
        return [*own, *recipe_options(), usage]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="understudy", message="understudy %(version)s")
def commands() -> None:
    """A few drawings of your character in; new pictures of it, in the scenes you ask for, out.

    Begin with: understudy learn DRAWINGS --name NAME --run RUN
    """


@commands.command()
@click.argument("seed", type=SEED)
@click.option("--out", type=FOLDER, required=True, help="The folder to write to.")
@click.option("--scene", help="Draw this scene instead of the six drawings, as the truth to compare with.")
def hero(seed: int, out: Path, scene: str | None) -> None:
    """Draw the invented character number SEED: six drawings with captions to learn from."""
    from understudy.world.heroes import hero as find_hero
    from understudy.world.portfolio import write_drawings, write_scene

    character = find_hero(seed)
    paths = write_drawings(character, out) if scene is None else [write_scene(character, scene, out)]
    _say(paths)


@commands.command(cls=RecipeCommand)
@click.argument("drawings", type=FOLDER)
@click.option("--name", required=True, help="What your prompts will call the character.")
@click.option("--noun", default="character", show_default=True, help="What it is: girl, boy, cat, robot ...")
@click.option("--run", type=FOLDER, required=True, help="The folder that keeps all that is learned.")
@click.option(
    "--method",
    type=click.Choice(["dreambooth-lora", "prompt-only"]),
    default="dreambooth-lora",
    show_default=True,
    help="How to learn; prompt-only learns nothing, to compare with.",
)
def learn(drawings: Path, name: str, noun: str, run: Path, method: str, **knobs: object) -> None:
    """Learn the character in the folder DRAWINGS; the same command goes on after a stop."""
    import understudy
    from understudy.options import make_recipe
    from understudy.terminal import listening

    recipe = make_recipe(method, {name: value for name, value in knobs.items() if value not in (None, ())})
    with listening() as notify:
        understudy.learn(drawings, name, run, noun=noun, recipe=recipe, notify=notify)
    click.echo(f'Learned. Now draw: understudy draw {run} "a picture of {name} waving"', err=True)


def main() -> None:
    """The console script."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0, 2 after a mistake of the user's, 130 after a stop."""
    from understudy.domain import UserError
    from understudy.events import Cancelled

    try:
        code = commands.main(arguments, "understudy", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        return MISTAKE
    except click.UsageError as error:
        verb = error.ctx.command_path if error.ctx else "understudy"
        return _mistake(f"{error.format_message()} See: {verb} --help")
    except UserError as error:
        return _mistake(str(error))
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        return _mistake(
            f"{error.filename or 'The disk'}: {error.strerror}; choose another place or make room."
        )
    except (Cancelled, click.Abort, KeyboardInterrupt):
        click.echo("Stopped; what was made so far stays, and the same command goes on from it.", err=True)
        return STOPPED
    return code if isinstance(code, int) else 0


def _mistake(sentence: str) -> int:
    click.echo(f"understudy: {sentence}", err=True)
    return MISTAKE


def _say(paths: Sequence[Path]) -> None:
    for path in paths:
        click.echo(path)


if __name__ == "__main__":
    main()
