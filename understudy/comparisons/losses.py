"""The curves of learning, as CSV and for the page."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean

from understudy.comparisons.asked import name_of
from understudy.comparisons.plan import PlannedRun
from understudy.reports.gather import read_losses
from understudy.reports.plots import loss_curves
from understudy.runs import Run

Curve = tuple[list[int], list[float]]


def losses_csv(runs: Iterable[PlannedRun]) -> str:
    """A row for each loss that was logged: a GAN has one for each of its players."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["character", "row", "learning_seed", "step", "loss", "value"])
    for run in runs:
        for name, (steps, losses) in read_losses(Run(run.folder)).items():
            for step, loss in zip(steps, losses, strict=True):
                writer.writerow([name_of(run.entry), run.row.title, run.learning_seed, step, name, loss])
    return text.getvalue()


def row_curves(runs: Iterable[PlannedRun]) -> list[dict[str, object]]:
    """A plot for each row that learns: the mean over its runs at each step."""
    rows: defaultdict[str, list[dict[str, Curve]]] = defaultdict(list)
    for run in runs:
        if losses := read_losses(Run(run.folder)):
            rows[run.row.title].append(losses)
    return [
        {"label": label, "num_runs": len(found), "uri": loss_curves(_mean(found))}
        for label, found in rows.items()
    ]


def _mean(runs: Iterable[dict[str, Curve]]) -> dict[str, Curve]:
    values: defaultdict[str, defaultdict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for curves in runs:
        for name, (steps, losses) in curves.items():
            for step, loss in zip(steps, losses, strict=True):
                values[name][step].append(loss)
    return {name: (sorted(at), [fmean(at[step]) for step in sorted(at)]) for name, at in values.items()}
