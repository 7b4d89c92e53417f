"""The curves of learning: every logged loss as CSV, and a plot for each row."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class RowCurves:
    """How a row learned: the plot of the mean over its runs, "" where no loss was a number.

    `diverged_at` is the first step at which a loss was none, None if all were.
    """

    label: str
    num_runs: int
    uri: str
    diverged_at: int | None


def row_curves(runs: Iterable[PlannedRun]) -> list[RowCurves]:
    """The curves of each row that has learned in steps."""
    rows: defaultdict[str, list[Mapping[str, Curve]]] = defaultdict(list)
    for run in runs:
        if losses := read_losses(Run(run.folder)):
            rows[run.row.title].append(losses)
    return [_row(label, found) for label, found in rows.items()]


def _row(label: str, runs: Sequence[Mapping[str, Curve]]) -> RowCurves:
    values: defaultdict[str, defaultdict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    broken: list[int] = []
    for curves in runs:
        for name, (steps, losses) in curves.items():
            for step, loss in zip(steps, losses, strict=True):
                if math.isfinite(loss):
                    values[name][step].append(loss)
                else:
                    broken.append(step)
    means = {name: (sorted(at), [fmean(at[step]) for step in sorted(at)]) for name, at in values.items()}
    return RowCurves(label, len(runs), loss_curves(means) if means else "", min(broken, default=None))
