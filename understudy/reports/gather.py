"""A run's pictures, verdicts and figures, read from its folder as frozen data; what is not there is empty."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from understudy.domain import Picture, Pixels, Scene, UserError, Verdict
from understudy.provenance import read_record
from understudy.runs import JUDGED_FILE, VERDICTS_FILE, Run

_VERDICT = TypeAdapter(Verdict)


class Measure(BaseModel):
    """A figure about a run's pictures together: `low` to `high` is its 95% interval where it has one."""

    model_config = ConfigDict(frozen=True)

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int
    says: str


@dataclass(frozen=True)
class Shown:
    """A picture of the run and what the judge says of it, None where it was not judged."""

    path: Path
    picture: Picture
    verdict: Verdict | None


def read_pictures(run: Run, most: int) -> tuple[list[Shown], int]:
    """The judged pictures in their order, then the others by name, at most `most`; and how many are left out.

    What is no picture of understudy's is passed over.
    """
    verdicts = read_verdicts(run)
    others = sorted(path.name for path in run.pictures.glob("*.png") if path.name not in verdicts)
    shown: list[Shown] = []
    passed_over = 0
    for name in (*verdicts, *others):
        if len(shown) == most:
            break
        path = run.pictures / name
        try:
            record = read_record(path)
        except UserError:
            passed_over += 1
            continue
        scene = Scene(record.get("prompt", path.stem), _seed(record))
        shown.append(Shown(path, Picture(scene, read_pixels(path), record), verdicts.get(name)))
    return shown, len(verdicts) + len(others) - len(shown) - passed_over


def read_verdicts(run: Run) -> dict[str, Verdict]:
    """The verdicts by the name of their picture's file, in their order; none where nothing was judged."""
    path = run.folder / VERDICTS_FILE
    if not path.exists():
        return {}
    verdicts: dict[str, Verdict] = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            # Only the name: a run that came from elsewhere must not point out of its folder.
            verdicts[Path(entry["picture"]).name] = _VERDICT.validate_python(entry)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path) from error
    return verdicts


def read_measures(run: Run) -> list[Measure]:
    """What `judged.json` says of the pictures together; none where it is not there."""
    entries = _read_object(run.folder / JUDGED_FILE)
    try:
        return [
            Measure.model_validate({"name": name, **entry})
            for name, entry in entries.items()
            if isinstance(entry, dict)
        ]
    except ValidationError as error:
        raise _unreadable(run.folder / JUDGED_FILE) from error


def read_losses(run: Run) -> tuple[list[int], list[float]]:
    """The steps and losses in the log."""
    pairs = [
        (int(step), float(loss))
        for entry in run.read_log()
        if isinstance(step := entry.get("step"), int) and isinstance(loss := entry.get("loss"), (int, float))
    ]
    return [step for step, _ in pairs], [loss for _, loss in pairs]


def read_pixels(path: Path) -> Pixels:
    """A picture as (height, width, 3) RGB."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _seed(record: Mapping[str, str]) -> int:
    seed = record.get("seed", "")
    return int(seed) if seed.isdecimal() else 0


def _read_object(path: Path) -> dict[str, object]:
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path) from error
    if not isinstance(entries, dict):
        raise _unreadable(path)
    return entries


def _unreadable(path: Path) -> UserError:
    return UserError(f"{path} cannot be read: remove it, and give the command that wrote it again.")
