"""The columns of a comparison's table as text, alike on the page, in Markdown and in LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from understudy.comparisons.summary import Line, compare_pair
from understudy.judges.quality import Estimate
from understudy.reports.page import duration, number, readable_bytes

NOTHING = "\N{EN DASH}"
NOT_JUDGED = "not judged"
IGNORING = "†"
"""Beside figures of methods that ignore the words."""


@dataclass(frozen=True)
class Column:
    """A title and a cell for each line; `is_cost` tells what learning takes from what comes of it."""

    title: str
    cells: tuple[str, ...]
    is_cost: bool = False


def make_columns(lines: Sequence[Line], reference: Line | None) -> list[Column]:
    """Those columns that have anything to say."""
    columns = [
        Column("", tuple(line.label for line in lines)),
        Column("quality ratio", tuple(map(_quality, lines))),
        Column("difference to the reference", tuple(_difference(line, reference) for line in lines)),
        Column("same character", tuple(_share(line, "same_character") for line in lines)),
        Column("following", tuple(_following(line) for line in lines)),
        Column("undamaged", tuple(_share(line, "undamaged") for line in lines)),
        _mean("copying", lines, "copying", two_decimals),
        _mean("of the nearest drawing", lines, "nearest_share", two_decimals),
        _mean("line weight", lines, "line_weight", two_decimals),
        _mean("palette", lines, "palette", two_decimals),
        _mean("diversity", lines, "diversity", lambda value: f"{value:.3f}"),
        _mean("drift", lines, "drift", two_decimals),
        _mean("unrelated wishes", lines, "unrelated_followed", two_decimals),
        Column("between learning seeds", tuple(_deviation(line) for line in lines)),
        Column("pictures", tuple(map(_count, lines))),
        _mean("learning", lines, "seconds", duration, is_cost=True),
        _mean("peak memory", lines, "peak_memory_bytes", readable_bytes, is_cost=True),
        _mean("checkpoint", lines, "checkpoint_bytes", readable_bytes, is_cost=True),
        Column("electricity", tuple(_energy(line) for line in lines), is_cost=True),
        _mean("CO2e", lines, "co2e_g", lambda value: f"{_small(value)} g", is_cost=True),
    ]
    return [column for column in columns if any(cell != NOTHING for cell in column.cells)]


def two_decimals(value: float) -> str:
    """As the study gives shares; rounded first, and 0 added, so that there is no -0.00."""
    return f"{round(value, 2) + 0.0:.2f}"


def with_interval(found: Estimate) -> str:
    """ "0.35 (0.23 to 0.52)"."""
    return f"{two_decimals(found.mean)} ({two_decimals(found.low)} to {two_decimals(found.high)})"


def difference(found: Estimate) -> str:
    """ "-0.15 (-0.38 to +0.00)"; where every pair is alike, its interval would claim to be certain."""
    if found.mean == found.low == found.high == 0:
        return "no pair differs"
    shown = (f"{round(value, 2) + 0.0:+.2f}" for value in (found.mean, found.low, found.high))
    return "{} ({} to {})".format(*shown)


def _quality(line: Line) -> str:
    if line.quality is None:
        return "no figures"
    return with_interval(line.quality) + (IGNORING if line.words_ignored else "")


def _share(line: Line, name: str) -> str:
    return two_decimals(line.shares[name].mean) if name in line.shares else NOTHING


def _count(line: Line) -> str:
    return f"{line.n} (runs missing: {len(line.failed)})" if line.failed else str(line.n)


def _following(line: Line) -> str:
    return NOT_JUDGED if line.words_ignored else _share(line, "following")


def _difference(line: Line, reference: Line | None) -> str:
    if reference is None or not line.n:
        return NOTHING
    if line.label == reference.label:
        return "reference"
    found = compare_pair(line, reference)
    if found is None:
        return NOTHING
    return difference(found) + (IGNORING if line.words_ignored != reference.words_ignored else "")


def _mean(
    title: str, lines: Sequence[Line], name: str, show: Callable[[float], str], is_cost: bool = False
) -> Column:
    cells = tuple(show(line.means[name]) if name in line.means else NOTHING for line in lines)
    return Column(title, cells, is_cost)


def _energy(line: Line) -> str:
    if "energy_wh" not in line.means:
        return NOTHING
    return f"{_small(line.means['energy_wh'])} Wh, {line.energy_is}"


def _small(amount: float) -> str:
    return "under 0.001" if 0 < amount < 0.001 else number(amount)


def _deviation(line: Line) -> str:
    return NOTHING if line.seed_deviation is None else f"± {line.seed_deviation:.2f}"
