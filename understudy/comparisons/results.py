"""What the runs of a comparison came to, read from their folders, and as tidy CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from understudy.comparisons.plan import Plan, PlannedRun, PlannedSitting
from understudy.comparisons.work import Failure, find_weights, is_judged
from understudy.domain import Attributes, Measure, Verdict
from understudy.footprint import Footprint, read_footprint
from understudy.judges.quality import summarise
from understudy.reports.gather import read_lines, read_measures
from understudy.runs import Run

MEASURES = ("copying", "line_weight", "palette", "diversity", "drift", "unrelated_followed")
FIGURES = (
    *("quality_ratio", "quality_low", "quality_high", "same_character", "following", "attributes_right"),
    *("undamaged", *MEASURES, "seconds", "peak_memory_bytes", "energy_wh", "co2e_g", "energy_is"),
)
_VERDICT = TypeAdapter(Verdict)
Value = str | int | float | bool | None


@dataclass(frozen=True)
class Judged:
    """A picture of a comparison and what is said of it."""

    file: Path
    verdict: Verdict
    nearest_drawing: str
    nearest_share: float
    is_copy: bool

    @property
    def followed(self) -> bool | None:
        """Whether all that was asked for is right; None where the words were ignored."""
        if not self.verdict.follows_text:
            return None
        return all(self.verdict.attributes.values()) and not self.verdict.not_judged


@dataclass(frozen=True)
class Result:
    """A line of the table for one run; without pictures where the run failed or is not finished.

    `footprint` is None for weights of an earlier step, of which nobody noted what they cost.
    """

    run: PlannedRun
    sitting: PlannedSitting
    character: str
    pictures: tuple[Judged, ...] = ()
    measures: Mapping[str, Measure] = field(default_factory=dict)
    footprint: Footprint | None = None
    checkpoint_bytes: int | None = None
    failed: str = ""


def gather(plan: Plan, failures: Mapping[Path, Failure]) -> list[Result]:
    """All results in the plan's order; `failures` are of this call, by the run's folder."""
    return [
        _result(plan, run, sitting, failures.get(run.folder)) for run in plan.runs for sitting in run.sittings
    ]


def _result(plan: Plan, run: PlannedRun, sitting: PlannedSitting, failure: Failure | None) -> Result:
    character = plan.characters[run.folder.parent.name].name
    checkpoint = find_weights(run, sitting)
    if checkpoint is None or not is_judged(run, sitting):
        why = failure.sentence if failure else "Not finished yet: give the same command again."
        return Result(run, sitting, character, failed=why)
    found = Run(run.folder)
    is_last = checkpoint.step == found.checkpoints()[-1].step
    pictures = read_lines(sitting.folder, partial(_picture, sitting.folder))
    return Result(
        run,
        sitting,
        character,
        tuple(pictures.values()),
        read_measures(sitting.folder),
        read_footprint(found) if is_last else None,
        sum((checkpoint.folder / file).stat().st_size for file in checkpoint.weights),
    )


def _picture(folder: Path, entry: Mapping[str, object]) -> Judged:
    return Judged(
        folder / "pictures" / Path(str(entry["picture"])).name,
        _VERDICT.validate_python(entry),
        str(entry["nearest_drawing"]),
        float(str(entry["nearest_share"])),
        entry["is_copy"] is True,
    )


def pictures_csv(results: Iterable[Result], out: Path) -> str:
    """A row for each picture; files are named from `out`."""
    return _csv([_tidy(result, one, out) for result in results for one in result.pictures])


def runs_csv(results: Iterable[Result], out: Path) -> str:
    """A row for each run and line of the table, failed ones too."""
    return _csv([_figures(result, out) for result in results])


def _identity(result: Result) -> dict[str, Value]:
    run, sitting = result.run, result.sitting
    return {
        "character": result.character,
        "hero": run.entry.hero,
        "method": run.row.method,
        "preset": run.row.preset,
        "row": run.row.title,
        "line": sitting.line,
        "at_step": sitting.at_step,
        "draw_steps": sitting.settings.steps,
        "learning_seed": run.learning_seed,
    }


def _tidy(result: Result, one: Judged, out: Path) -> dict[str, Value]:
    verdict = one.verdict
    return {
        **_identity(result),
        "prompt": verdict.scene.prompt,
        "drawing_seed": verdict.scene.seed,
        "passed": verdict.passed,
        "same_character": verdict.same_character,
        "likeness": verdict.likeness,
        "followed": one.followed,
        **{f"{wish.name}_right": verdict.attributes.get(wish.name) for wish in fields(Attributes)},
        "damage": verdict.damage,
        "damaged": verdict.damaged,
        "words_ignored": not verdict.follows_text,
        "not_judged": "; ".join(verdict.not_judged),
        "is_copy": one.is_copy,
        "nearest_drawing": one.nearest_drawing,
        "nearest_share": one.nearest_share,
        "file": one.file.relative_to(out).as_posix(),
    }


def _figures(result: Result, out: Path) -> dict[str, Value]:
    known = _of_pictures(result) | _of_learning(result.footprint)
    return {
        **_identity(result),
        "pictures": len(result.pictures),
        **{name: known.get(name) for name in FIGURES},
        "checkpoint_bytes": result.checkpoint_bytes,
        "failed": result.failed,
        "folder": result.run.folder.relative_to(out).as_posix(),
    }


def _of_pictures(result: Result) -> dict[str, Value]:
    if not result.pictures:
        return {}
    quality = summarise([one.verdict for one in result.pictures])
    followed = [one.followed for one in result.pictures if one.followed is not None]
    return {
        "quality_ratio": quality.quality_ratio,
        "quality_low": quality.low,
        "quality_high": quality.high,
        "same_character": quality.same_character,
        "following": sum(followed) / len(followed) if followed else None,
        "attributes_right": quality.attributes,
        "undamaged": 1 - quality.damaged,
        **{name: measure.value for name, measure in result.measures.items()},
    }


def _of_learning(footprint: Footprint | None) -> dict[str, Value]:
    return asdict(footprint) if footprint else {}


def _csv(rows: Sequence[Mapping[str, Value]]) -> str:
    """The rows with their keys as heads; empty where there is no value, 1 and 0 for yes and no."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
    for row in rows:
        writer.writerow([int(value) if isinstance(value, bool) else value for value in row.values()])
    return text.getvalue()
