"""The table of a comparison as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple

from understudy.comparisons import study
from understudy.comparisons.columns import Column
from understudy.comparisons.results import MEASURES
from understudy.comparisons.summary import COSTS, SHARES, Line, compare_pair

NUM_LATEX_COLUMNS = 7
"""More do not fit between the margins."""
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "†": r"$^\dagger$",
    "±": r"$\pm$",
    "\N{EN DASH}": "--",
}


def markdown(title: str, columns: Sequence[Column], notes: Iterable[str]) -> str:
    """The table, what is to be said of it, and the study's own."""
    heads = [column.title for column in columns]
    parts = [f"# {title}", _markdown_table(heads, zip(*(column.cells for column in columns), strict=True))]
    parts += notes
    parts += ["## The study's own table", f"Source: {study.SOURCE}."]
    parts += [_markdown_table(study.HEADS, study.ROWS), f"{study.BEST} {study.OTHERWISE}"]
    return "\n\n".join(parts) + "\n"


def latex(title: str, columns: Sequence[Column], notes: Iterable[str]) -> str:
    """Tables for the package booktabs, each as many columns wide as a page; then the study's own."""
    labels, *others = columns
    tables = []
    for first in range(0, len(others), NUM_LATEX_COLUMNS):
        some = [labels, *others[first : first + NUM_LATEX_COLUMNS]]
        rows = list(zip(*(column.cells for column in some), strict=True))
        tables.append(_latex_table(title, [column.title for column in some], rows))
    tables.append(_latex_table(f"The study's own table ({study.SOURCE})", study.HEADS, study.ROWS))
    said = "".join(f"% {note}\n" for note in notes)
    return "% \\usepackage{booktabs, graphicx}\n" + said + "\n".join(tables)


def figures_csv(lines: Sequence[Line]) -> str:
    """A row for each line of the table, numbers in full."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ranges = [f"{name}{end}" for name in SHARES for end in ("", "_low", "_high")]
    means = (*MEASURES, *COSTS, "checkpoint_bytes")
    told = ("energy_is", "words_ignored", "quality_deviation_between_learning_seeds", "failed")
    writer.writerow(["line", "row", "method", "runs", "pictures", *ranges, *means, *told])
    for line in lines:
        found = [line.shares.get(name) for name in SHARES]
        writer.writerow(
            [
                *(line.label, line.row, line.method, line.num_runs, line.n),
                *(part for one in found for part in ((one.mean, one.low, one.high) if one else ("",) * 3)),
                *(line.means.get(name, "") for name in means),
                *(line.energy_is if "energy_wh" in line.means else "", int(line.words_ignored)),
                *("" if line.seed_deviation is None else line.seed_deviation, "; ".join(line.failed)),
            ]
        )
    return text.getvalue()


def differences_csv(lines: Sequence[Line]) -> str:
    """The paired difference in quality ratio of every two lines.

    Clusters are what the bootstrap drew: characters, or prompts where there is one character.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["line", "other", "mean", "low", "high", "clusters", "pairs"])
    for number, first in enumerate(lines):
        for second in lines[number + 1 :]:
            if found := compare_pair(first, second):
                writer.writerow([first.label, second.label, *astuple(found)])
    return text.getvalue()


def _markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(part.replace("|", "\\|") for part in row) for row in (heads, *rows)]
    return "\n".join(f"| {line} |" for line in (lines[0], " | ".join(["---"] * len(heads)), *lines[1:]))


def _latex_table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join("".join(_LATEX.get(letter, letter) for letter in cell) for cell in cells) + r" \\"

    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{''.join(_LATEX.get(letter, letter) for letter in caption)}}}",
            rf"\resizebox{{\textwidth}}{{!}}{{\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
            r"\toprule",
            line(heads),
            r"\midrule",
            *map(line, rows),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )
