"""A run's pictures, verdicts and figures, read from its folder as frozen data; what is not there is empty."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from understudy.domain import Drawing, Measure, Picture, Pixels, Scene, UserError, Verdict
from understudy.judges.copying import Nearest
from understudy.provenance import is_drawn, read_record
from understudy.runs import JUDGED_FILE, VERDICTS_FILE, Run, StrPath

_VERDICT = TypeAdapter(Verdict)
_NEAREST = TypeAdapter(Nearest)
_MEASURES = TypeAdapter(dict[str, Measure])
T = TypeVar("T")


@dataclass(frozen=True)
class Shown:
    """A picture of the run, the judge's word on it and its nearest drawing; None where nothing was judged."""

    path: Path
    picture: Picture
    verdict: Verdict | None
    nearest: Nearest | None


def read_pictures(run: Run, drawings: Sequence[Drawing], most: int) -> tuple[list[Shown], int]:
    """The judged pictures in their order, then the others by name, at most `most`; and how many are left out.

    `drawings` are those that the run keeps. What understudy did not draw, and what was made
    of a drawn picture (flat colours, a cut-out, a grid), is passed over.
    """
    verdicts, nearest = read_verdicts(run), _read_nearest(run, drawings)
    drawn = (path for path in run.pictures.glob("*.png") if path.name not in verdicts and is_drawn(path))
    others = sorted(path.name for path in drawn)
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
        shown.append(
            Shown(path, Picture(scene, read_pixels(path), record), verdicts.get(name), nearest.get(name))
        )
    return shown, len(verdicts) + len(others) - len(shown) - passed_over


def read_verdicts(run: StrPath) -> dict[str, Verdict]:
    """The verdicts by the name of their picture's file, in their order; none where nothing was judged."""
    return read_lines(run, _VERDICT.validate_python)


def _read_nearest(run: Run, drawings: Sequence[Drawing]) -> dict[str, Nearest]:
    """The nearest drawings by the name of their picture's file, where one was found and is still there."""
    numbers = {drawing.path.name: number for number, drawing in enumerate(drawings)}

    def read(entry: Mapping[str, object]) -> Nearest | None:
        number = numbers.get(str(entry.get("nearest_drawing")))
        if number is None:
            return None
        said = {"drawing": number, "share": entry["nearest_share"], "is_copy": entry["is_copy"]}
        return _NEAREST.validate_python(said)

    return {name: nearest for name, nearest in read_lines(run, read).items() if nearest}


def read_lines(run: StrPath, read: Callable[[Mapping[str, object]], T]) -> dict[str, T]:
    """What `read` makes of each line of `verdicts.jsonl`, by the name of its picture's file.

    Raises `UserError` where `read` raises `ValueError`, `KeyError` or `TypeError`.
    """
    path = Path(run) / VERDICTS_FILE
    if not path.exists():
        return {}
    found: dict[str, T] = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            # Only the name: a run that came from elsewhere must not point out of its folder.
            found[Path(entry["picture"]).name] = read(entry)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path) from error
    return found


def read_measures(run: StrPath) -> dict[str, Measure]:
    """What `judged.json` says of the pictures together, by name; none where it is not there."""
    path = Path(run) / JUDGED_FILE
    if not path.exists():
        return {}
    try:
        return _MEASURES.validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _unreadable(path) from error


def read_losses(run: Run) -> dict[str, tuple[list[int], list[float]]]:
    """The steps and losses in the log, for each loss by its name: a GAN has two."""
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for entry in run.read_log():
        for name, loss in entry.items():
            if name.endswith("loss") and isinstance(loss, int | float):
                steps, losses = curves.setdefault(name.replace("_", " "), ([], []))
                steps.append(int(str(entry["step"])))
                losses.append(float(loss))
    return curves


def read_pixels(path: Path) -> Pixels:
    """A picture as (height, width, 3) RGB."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _seed(record: Mapping[str, str]) -> int:
    seed = record.get("seed", "")
    return int(seed) if seed.isdecimal() else 0


def _unreadable(path: Path) -> UserError:
    return UserError(f"{path} cannot be read: remove it, and give the command that wrote it again.")
