"""The command line: its group of verbs (`commands/`), its exit codes, and a sentence for every mistake."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from understudy.commands.bases import bases
from understudy.commands.compare import compare
from understudy.commands.cut_out import cut_out
from understudy.commands.demo import demo
from understudy.commands.describe import describe
from understudy.commands.draw import draw
from understudy.commands.export import export
from understudy.commands.flatten import flatten
from understudy.commands.hero import hero
from understudy.commands.judge import judge
from understudy.commands.learn import learn
from understudy.commands.plan import plan
from understudy.commands.redraw import redraw
from understudy.commands.report import report
from understudy.commands.sheet import sheet
from understudy.commands.sweep import sweep
from understudy.commands.verb import Verb
from understudy.terminal import Ended, end_in_words, hush_libraries, speaks

STOPPED = 130  # what shells report for Ctrl-C
TERMINATED = 143  # and for SIGTERM
MISTAKE = 2
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
NO_MEMORY = (
    "The graphics card has too little free memory for this: close what else uses it, take a smaller --batch "
    "or smaller pictures, or another base (see understudy bases)."
)
FULL = (errno.ENOSPC, errno.EDQUOT)
FULL_DISK = "The disk is full: make room on it, and give the same command again."


class Verbs(click.Group):
    """The verbs in the order in which an artist meets them, not in that of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names as they were added."""
        return list(self.commands)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="understudy", message="understudy %(version)s")
def commands() -> None:
    """A few drawings of your character in; new pictures of it, in the scenes you ask for, out.

    Begin with: understudy learn DRAWINGS --name NAME --run RUN
    """


for verb in (
    describe,
    learn,
    draw,
    redraw,
    flatten,
    cut_out,
    sheet,
    judge,
    report,
    export,
    compare,
    sweep,
    bases,
    plan,
    hero,
    demo,
):
    commands.add_command(verb)


def main() -> None:
    """The console script."""
    hush_libraries()
    end_in_words()
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0, 2 after a mistake of the user's, 130 or 143 if stopped."""
    from understudy.domain import UserError
    from understudy.events import Cancelled, Terminated

    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            return _mistake(f"{argument!r} is not in UTF-8: rename it, or set the terminal to UTF-8.")
    try:
        code = commands.main(arguments, "understudy", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        return MISTAKE
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "understudy"
        return _mistake(f"{error.format_message()} See: {path} --help")
    except UserError as error:
        return _mistake(str(error))
    # Before what torch raises: click's Abort is a RuntimeError, too.
    except (Cancelled, click.Abort, KeyboardInterrupt) as stop:
        click.echo(f"Stopped; {_after_a_stop(arguments)}", err=True)
        # click hands on its own stop in place of the one that ended the work
        is_ended = any(isinstance(each, Terminated | Ended) for each in (stop, stop.__cause__))
        return TERMINATED if is_ended else STOPPED
    except RuntimeError as error:
        if "torch" not in sys.modules:  # which nothing but work on tensors has imported
            raise
        from understudy.methods.computing.out_of_memory import is_out_of_memory

        if is_out_of_memory(error):
            return _mistake(NO_MEMORY)
        if not _says_full(error):
            raise
        return _mistake(FULL_DISK)
    except OSError as error:
        if error.errno in FULL:
            return _mistake(f"{error.filename or 'The disk'}: {error.strerror}; make room on it.")
        if error.filename is None:
            raise
        file = Path(str(error.filename))
        # A file that is being written has a draft's name, which tells nobody anything.
        place = file.parent if error.errno in CLOSED and file.name.startswith(".") else file
        return _mistake(f"{place}: {error.strerror}; mend it or give another path.")
    except Exception as error:
        if not _says_full(error):
            raise
        return _mistake(FULL_DISK)
    return code if isinstance(code, int) else 0


def _says_full(error: Exception) -> bool:
    """safetensors and torch have errors of their own for a full disk."""
    return any(os.strerror(number) in str(error) for number in FULL)


def _after_a_stop(arguments: Sequence[str]) -> str:
    verbs = (commands.commands[word] for word in arguments if word in commands.commands)
    verb = next(verbs, None)
    return verb.after_stop if isinstance(verb, Verb) else "nothing was begun."


def _mistake(sentence: str) -> int:
    if speaks():
        click.echo(f"understudy: {sentence}", err=True)
    return MISTAKE


if __name__ == "__main__":
    main()
