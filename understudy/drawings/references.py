"""Which drawings say most of a character: one from each side, then the most unlike. No torch.

A run keeps the choice in its `references.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Drawing, Pixels, UserError
from understudy.drawings.figure import find_figure
from understudy.drawings.prepare import make_views
from understudy.runs import Run, write_whole

REFERENCES_FILE = "references.json"

VIEWS = (
    re.compile(r"\bfront view\b|\bfrom the front\b|\bfacing (front|forward|us)\b", re.IGNORECASE),
    re.compile(r"\bside view\b|\bfrom the side\b|\bin profile\b|\bprofile view\b", re.IGNORECASE),
    re.compile(r"\bback view\b|\bfrom behind\b|\bfrom the back\b|\brear view\b", re.IGNORECASE),
)
"""How captions say from where a character is seen: front, side, back."""
LOOK_PX = 16
"""Side of the figures that are compared with each other."""


def rank_references(drawings: Sequence[Drawing], seed: int = 0) -> list[int]:
    """The drawings' numbers, those first that are to be shown where only some can be.

    One of each view that the captions say, of several the one with the least else in its caption; then
    always the drawing whose figure is most unlike those before it. `seed` decides between equals.
    """
    order = [int(number) for number in np.random.default_rng(seed).permutation(len(drawings))]
    plain_first = sorted(order, key=lambda number: len(drawings[number].caption.split()))
    ranked: list[int] = []
    for view in VIEWS:
        ranked += [number for number in plain_first if view.search(drawings[number].caption)][:1]
    ranked = ranked or plain_first[:1]
    looks = [_look(drawing) for drawing in drawings]
    left = {number: min(_unlike(looks[number], looks[one]) for one in ranked) for number in plain_first}
    for one in ranked:
        del left[one]
    while left:
        ranked.append(max(left, key=lambda number: left[number]))
        del left[ranked[-1]]
        left = {number: min(far, _unlike(looks[number], looks[ranked[-1]])) for number, far in left.items()}
    return ranked


def lay_on_paper(drawing: Drawing, size_px: int) -> Pixels:
    """The whole drawing on a square of its own paper: (size, size, 3)."""
    return make_views(drawing, size_px, 1, 0.0, 0.0, False, (0,))[0].pixels


def write_choice(run: Run, files: Sequence[str]) -> None:
    """Record in the run which of its drawings are shown, the most telling first."""
    write_whole(run.folder / REFERENCES_FILE, (json.dumps(list(files)) + "\n").encode())


def read_choice(run: Run) -> tuple[str, ...] | None:
    """What `write_choice` recorded; None where it did not. Raises `UserError` if it is damaged."""
    path = run.folder / REFERENCES_FILE
    if not path.exists():
        return None
    known = {f"{number:02}.png" for number in range(1, len(run.manifest.drawings) + 1)}
    try:
        files = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        files = None
    if not isinstance(files, list) or not files or not known.issuperset(map(str, files)):
        raise UserError(f"{path} cannot be read: remove it, and give the same learn command again.")
    return tuple(map(str, files))


def _look(drawing: Drawing) -> NDArray[np.float32]:
    """The figure alone, as wide as high, in colours from 0 to 1."""
    figure = find_figure(drawing)
    rows, columns = np.flatnonzero(figure.mask.any(axis=1)), np.flatnonzero(figure.mask.any(axis=0))
    cut = figure.pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = cv2.resize(np.ascontiguousarray(cut), (LOOK_PX, LOOK_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small / 255, np.float32)


def _unlike(look: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(look - other).mean())
