"""understudy report: what came of a run, on one page."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import FILE, RUN, Verb, say


@click.command(cls=Verb)
@click.argument("run", type=RUN)
@click.option("--out", type=FILE, help="The page to write. [default: RUN/report.html]")
def report(run: Path, out: Path | None) -> None:
    """Write a page that shows what came of RUN.

    On it are the drawings, the pictures and what the judge says of them, learning and its cost, and how to do
    it again.
    """
    from understudy.reports.report import report as write_report
    from understudy.terminal import listening

    with listening() as notify:
        path = write_report(run, out, notify)
    say([path])
