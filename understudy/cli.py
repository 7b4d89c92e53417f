"""The command line: one short function per verb; what is heavy is imported inside it."""

from __future__ import annotations

import errno
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

STOPPED = 130  # what shells report for Ctrl-C
MISTAKE = 2
FOLDER = click.Path(path_type=Path)
FILE = click.Path(path_type=Path)
OUT = click.Path(path_type=Path, file_okay=False)  # refused before the work, not after it
SEED = click.IntRange(0, 2**32 - 1)
COUNT = click.IntRange(1, 10_000)

FULL = (errno.ENOSPC, errno.EDQUOT)
AFTER_A_STOP = {
    "learn": "what was learned so far stays, and the same command goes on from it.",
    "draw": "the pictures drawn so far stay, and the same command begins again with the first.",
    "judge": "the pictures drawn so far stay, and the same command begins again with the first.",
    "hero": "the same command begins again.",
    "demo": "what was learned so far stays, and the same command goes on from it.",
}


class RecipeCommand(click.Command):
    """A verb that also takes the recipes' knobs, which are read only when this verb is called."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The verb's own options, then the knobs, then --help."""
        from understudy.options import recipe_options

        *own, usage = super().get_params(ctx)
        return [*own, *recipe_options(), usage]


class DrawCommand(click.Command):
    """A verb that also takes the settings of drawing, which are read only when this verb is called."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The verb's own options, then the settings, then --help."""
        from understudy.options import draw_options

        *own, usage = super().get_params(ctx)
        return [*own, *draw_options(), usage]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="understudy", message="understudy %(version)s")
def commands() -> None:
    """A few drawings of your character in; new pictures of it, in the scenes you ask for, out.

    Begin with: understudy learn DRAWINGS --name NAME --run RUN
    """


@commands.command()
@click.argument("seed", type=SEED)
@click.option("--out", type=OUT, required=True, help="The folder to write to.")
@click.option("--scene", help="Draw this scene instead of the six drawings, as the truth to compare with.")
def hero(seed: int, out: Path, scene: str | None) -> None:
    """Draw the invented character number SEED: six drawings with captions to learn from."""
    from understudy.world.heroes import hero as find_hero
    from understudy.world.portfolio import write_drawings, write_scene

    character = find_hero(seed)
    if scene is not None:
        _say([write_scene(character, scene, out)])
        return
    _say(write_drawings(character, out))
    name, noun = character.name, character.noun
    command = ["learn", str(out), "--name", name, "--noun", noun, "--run", f"runs/{name.lower()}"]
    click.echo(f"Learn it: understudy {shlex.join(command)}", err=True)


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

    _refuse_words(name)
    recipe = make_recipe(method, _given(**knobs))
    with listening() as notify:
        character = understudy.read_character(drawings, name, noun, notify)
        understudy.learn(character, recipe, run, notify=notify)
    command = ["draw", str(run), f"a picture of {character.name} waving"]
    click.echo(f"Learned. Now draw: understudy {shlex.join(command)}", err=True)


@commands.command(cls=DrawCommand)
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
    asked = validated(DrawSettings, _given(**settings))
    name = open_run(run).manifest.name
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # fails now, not when the first picture is drawn
    if not says_name(prompt, name):
        click.echo(f"The prompt does not say {name}, so the pictures will not show it.", err=True)
    scenes = pictures.seeded_scenes([prompt], count, seed)
    with listening() as notify:
        paths = pictures.draw(run, scenes, asked, out, notify)
    _say(paths)


@commands.command()
@click.argument("run", type=FOLDER)
@click.option("--prompts", type=FILE, help="A text file, one prompt a line. [default: the study's thirteen]")
@click.option("--count", type=COUNT, default=3, show_default=True, help="Pictures for each prompt.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The first picture's seed.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON and nothing else.")
def judge(run: Path, prompts: Path | None, count: int, seed: int, as_json: bool) -> None:
    """Draw the character of RUN in test scenes and say how many of the pictures are right."""
    from understudy.judging import judge as judge_run
    from understudy.judging import read_prompts
    from understudy.terminal import listening
    from understudy.world.captions import STUDY_PROMPTS

    wishes = read_prompts(prompts) if prompts else STUDY_PROMPTS
    with listening() as notify:
        report = judge_run(run, wishes, count, seed, notify=notify)
    click.echo(json.dumps(asdict(report), indent=2) if as_json else report.text())


@commands.command()
@click.option("--out", type=OUT, default=Path("runs/demo"), show_default=True, help="The folder to write to.")
@click.option("--base", help="The base to learn on. [default: puppet]")
@click.option("--steps", type=COUNT, help="How many steps to learn. [default: the recipe's]")
def demo(out: Path, **knobs: object) -> None:
    """Learn the example character and draw twelve scenes of it on a sheet, beside the truth."""
    from understudy.demo import run_demo
    from understudy.options import validated
    from understudy.recipes import DrawSettings, DreamBoothLora
    from understudy.terminal import listening

    recipe = validated(DreamBoothLora, _given(**knobs))
    with listening() as notify:
        sheet = run_demo(out, recipe, DrawSettings(), notify)
    click.echo(sheet)


def main() -> None:
    """The console script."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0, 2 after a mistake of the user's, 130 after a stop."""
    from understudy.domain import UserError
    from understudy.events import Cancelled

    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            return _mistake(f"{argument!r} is not in UTF-8: rename it, or set the terminal to UTF-8.")
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
        if error.errno in FULL:
            return _mistake(f"{error.filename or 'The disk'}: {error.strerror}; make room on it.")
        if error.filename is None:
            raise
        return _mistake(f"{error.filename}: {error.strerror}; mend it or give another path.")
    except (Cancelled, click.Abort, KeyboardInterrupt):
        rest = next((AFTER_A_STOP[verb] for verb in arguments if verb in AFTER_A_STOP), "nothing was begun.")
        click.echo(f"Stopped; {rest}", err=True)
        return STOPPED
    return code if isinstance(code, int) else 0


def _mistake(sentence: str) -> int:
    click.echo(f"understudy: {sentence}", err=True)
    return MISTAKE


def _refuse_words(name: str) -> None:
    """Raise `UserError` for a name that prompts could say without meaning the character."""
    from understudy.domain import UserError
    from understudy.world.reading import is_plain_word

    if name.strip() and (is_plain_word(name) or not name.isprintable()):
        raise UserError(
            f"{name!r} cannot be told from other words of a prompt: give the character another name."
        )


def _given(**options: object) -> dict[str, object]:
    """The options that were given; what was not is left to the recipe or the settings."""
    return {name: value for name, value in options.items() if value not in (None, ())}


def _say(paths: Sequence[Path]) -> None:
    for path in paths:
        click.echo(path)


if __name__ == "__main__":
    main()
