"""`compare`: the plan is worked through, and its table written."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from understudy.comparisons import tables
from understudy.comparisons.apart import attempt_apart
from understudy.comparisons.asked import Comparison
from understudy.comparisons.columns import make_columns
from understudy.comparisons.files import read_comparison
from understudy.comparisons.gallery import animate, draw_sheet, fill_shelves
from understudy.comparisons.losses import losses_csv
from understudy.comparisons.page import notes_on, render_page
from understudy.comparisons.plan import Plan, make_plan
from understudy.comparisons.results import gather, pictures_csv, runs_csv
from understudy.comparisons.summary import Line, all_failed, choose_reference, summarise_lines
from understudy.comparisons.work import Failure, attempt, is_finished, is_judged, is_learned
from understudy.domain import UserError
from understudy.events import Note, Notify, Step, ignore
from understudy.methods.computing.processes import refuse_several
from understudy.provenance import COMPOSITE, write_picture
from understudy.runs import LOCK_FILE, StrPath, locked, write_whole

PAGE_FILE = "comparison.html"
MARKER_FILE = "comparison.json"
"""In every folder of a comparison, so that no other folder is filled by mistake."""


@dataclass(frozen=True)
class Compared:
    """What came of a comparison: its page, the lines of its table, and the runs without figures."""

    page: Path
    lines: tuple[Line, ...]
    failed: tuple[str, ...]


def compare(
    comparison: StrPath | Comparison,
    out: StrPath,
    notify: Notify = ignore,
    device: str = "auto",
    work: bool = True,
    apart: bool = True,
) -> Compared:
    """Learn, draw and judge all that `comparison` asks for in the folder `out`, and write its table there.

    What is finished there is not done again, so that the same call goes on after a stop, and a changed
    comparison adds what is new. A run that fails is noted and the others go on. Without `work` only the
    tables of what is there are written. With `apart` every run has a process of its own, so that its peak
    memory is its own. Raises `UserError` where the comparison does not fit or `out` holds something else, and
    `Cancelled` when the listener stops the work.
    """
    refuse_several("A comparison works")
    plan = plan_comparison(comparison, out, notify)
    _claim(plan.out)
    with locked(plan.out / LOCK_FILE):
        notify(Note(says_plan(plan)))
        failures = _work(plan, notify, device, apart) if work else {}
        return _write(plan, failures, notify)


def plan_comparison(comparison: StrPath | Comparison, out: StrPath, notify: Notify = ignore) -> Plan:
    """What `compare` would do; nothing is written. Raises `UserError` where the comparison does not fit."""
    asked = comparison if isinstance(comparison, Comparison) else read_comparison(comparison, notify)
    return make_plan(asked, Path(out), notify)


def says_plan(plan: Plan) -> str:
    """How much there is to do, how much of it is done, and what is no longer asked for."""
    asked, runs = plan.comparison, plan.runs
    sittings = [(run, sitting) for run in runs for sitting in run.sittings]
    judged = sum(is_judged(*one) for one in sittings)
    num_pictures = sum(run.num_pictures * len(run.sittings) for run in runs)
    drift = ", and up to 16 more each time for drift" if asked.drift else ""
    parts = [
        f"{_count(asked.rows, 'row')} for {_count(asked.characters, 'character')}: {_count(runs, 'run')} to "
        f"learn, {sum(map(is_learned, runs))} of them finished.",
        f"{_count(plan.lines, 'line')} in the table: {num_pictures} pictures, drawn and judged in "
        f"{len(sittings)} x {_count(asked.prompts, 'prompt')} x {asked.pictures}{drift}; {judged} of "
        f"{len(sittings)} finished.",
    ]
    for row in asked.rows:
        own = [run for run in runs if run.row.title == row.title]
        parts.append(f"  {row.title}: {_count(own, 'run')}, {sum(map(is_finished, own))} finished")
    if others := plan.no_longer_asked():
        names = ", ".join(str(path.relative_to(plan.out)) for path in others)
        parts.append(f"No longer asked for, and left as it is: {names}.")
    return "\n".join(parts)


def _count(things: Sized, name: str) -> str:
    return f"{len(things)} {name}" if len(things) == 1 else f"{len(things)} {name}s"


def _claim(out: Path) -> None:
    if out.is_dir() and not (out / MARKER_FILE).is_file() and any(out.iterdir()):
        raise UserError(f"{out} holds other files and no comparison: give a new folder.")
    write_whole(out / MARKER_FILE, b'{"format": 1}\n')


def _work(plan: Plan, notify: Notify, device: str, apart: bool) -> dict[Path, Failure]:
    """Do what is missing, run by run; returns the failures by the run's folder."""
    failures: dict[Path, Failure] = {}
    for number, run in enumerate(plan.runs, start=1):
        if not is_finished(run):
            notify(Note(f"{number} of {len(plan.runs)}: {run.says}"))
            failure = (attempt_apart if apart else attempt)(run, notify, device)
            if failure is not None:
                failures[run.folder] = failure
                notify(Note(f"Failed: {failure.sentence}"))
        notify(Step("comparing", number, len(plan.runs)))
    return failures


def _write(plan: Plan, failures: dict[Path, Failure], notify: Notify) -> Compared:
    results = gather(plan, failures)
    lines = summarise_lines(results)
    reference = choose_reference(lines, plan.comparison.reference)
    columns = make_columns(lines, reference)
    title, notes = plan.comparison.title, notes_on(plan, lines, reference)
    shelves = fill_shelves(plan, results)
    moving = {shelf.folder: animate(shelf) for shelf in shelves} if plan.comparison.animate else {}
    files = {
        "pictures.csv": pictures_csv(results, plan.out),
        "runs.csv": runs_csv(results, plan.out),
        "losses.csv": losses_csv(plan.runs),
        "table.csv": tables.figures_csv(lines),
        "differences.csv": tables.differences_csv(lines),
        "table.md": tables.markdown(title, columns, notes),
        "table.tex": tables.latex(title, columns, notes),
        "failures.txt": "".join(
            f"{folder.relative_to(plan.out)}: {failure.sentence}\n{failure.details}\n"
            for folder, failure in failures.items()
        ),
    }
    for name, text in files.items():
        write_whole(plan.out / name, text.encode())
    for shelf in shelves:
        path = plan.out / "sheets" / f"{shelf.folder}.png"
        write_picture(path, np.asarray(draw_sheet(shelf)), {"comparison": title}, COMPOSITE)
    for folder, content in moving.items():
        write_whole(plan.out / "sheets" / f"{folder}.webp", content)
    page = plan.out / PAGE_FILE
    write_whole(page, render_page(plan, lines, reference, columns, notes, shelves, moving, notify))
    return Compared(page, tuple(lines), all_failed(lines))
