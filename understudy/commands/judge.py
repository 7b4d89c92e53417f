"""understudy judge: how many of a run's pictures are right."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from understudy.commands.verb import COUNT, FILE, RUN, Verb, given, json_option, say_next, seed_option

FEW = 0.5
"""Where less than this share is right, it is said where to read what helps."""


class JudgeVerb(Verb):
    """Draws first, then judges."""

    after_stop = "the pictures drawn so far stay, and the same command begins again with the first."

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The verb's own options, then what draws faster, then --help."""
        from understudy.options import faster_options

        *own, usage = super().get_params(ctx)
        return [*own, *faster_options(), usage]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Those for experts apart."""
        from understudy.options import write_options

        write_options(self.get_params(ctx), ctx, formatter)


@click.command(cls=JudgeVerb)
@click.argument("run", type=RUN)
@click.option("--prompts", type=FILE, help="A text file, one prompt a line. [default: the study's thirteen]")
@click.option("--count", type=COUNT, default=3, show_default=True, help="How many pictures of each prompt.")
@seed_option
@click.option(
    "--drift/--no-drift",
    default=True,
    show_default=True,
    help="Also draw sixteen pictures without the character: has learning changed what else is drawn?",
)
@json_option
def judge(
    run: Path,
    prompts: Path | None,
    count: int,
    seed: int,
    drift: bool,
    as_json: bool,
    **settings: object,
) -> None:
    """Draw RUN's character in test scenes and say how much is right.

    Also said: how many copy a drawing, how near they are to its lines and colours, how much they differ, and
    what learning changed elsewhere. It is all kept in the run, in judged.json and verdicts.jsonl.
    """
    from understudy.judging import judge as judge_run
    from understudy.options import draw_settings
    from understudy.pictures import read_prompts
    from understudy.terminal import listening
    from understudy.world.captions import STUDY_PROMPTS

    wishes = read_prompts(prompts) if prompts else STUDY_PROMPTS
    asked = draw_settings(run, given(**settings))
    with listening() as notify:
        report = judge_run(run, wishes, count, seed, asked, notify=notify, drift=drift)
    if as_json:
        figures = asdict(report)
        figures |= figures.pop("measures")
        click.echo(json.dumps(figures, indent=2))
        return
    click.echo(report.text())
    if report.quality_ratio < FEW and not report.num_ignoring:
        click.echo("Few are right: the README says what helps, under 'When pictures are bad'.", err=True)
    say_next("See them on a page", "report", str(run))
