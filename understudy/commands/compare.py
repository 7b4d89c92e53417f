"""understudy compare: methods side by side."""

from __future__ import annotations

from pathlib import Path

import click

from understudy.commands.verb import FILE, OUT, Verb, say


class CompareVerb(Verb):
    """Works for long, run by run."""

    after_stop = "what is done so far stays, and the same command goes on from it."


@click.command(cls=CompareVerb)
@click.argument("comparison", type=FILE)
@click.option("--out", type=OUT, required=True, help="The folder that keeps runs, tables and the page.")
@click.option("--plan", "only_plan", is_flag=True, help="Only say what there is to do.")
@click.option("--tables", "only_tables", is_flag=True, help="Only write the tables of what is finished.")
def compare(comparison: Path, out: Path, only_plan: bool, only_tables: bool) -> int:
    """Compare methods as the TOML file COMPARISON asks for.

    Every row learns every character, draws the same scenes with the same seeds and is judged alike. What is
    finished is never done again; a changed file adds what is new. The exit code is 1 where a run has failed.
    """
    from understudy.comparisons.compare import compare as compare_all
    from understudy.comparisons.compare import plan_comparison, says_plan
    from understudy.terminal import listening

    with listening() as notify:
        if only_plan:
            click.echo(says_plan(plan_comparison(comparison, out, notify)))
            return 0
        compared = compare_all(comparison, out, notify, work=not only_tables)
    say([compared.page])
    for sentence in compared.failed:
        click.echo(f"No figures: {sentence}", err=True)
    return 1 if compared.failed and not only_tables else 0
