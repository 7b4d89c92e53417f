"""Pictures with the flat colours of the drawings that their character was learned from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from understudy.cutting import locate
from understudy.domain import Drawing, Pixels, UserError
from understudy.drawings.figure import find_figure, is_on_paper
from understudy.drawings.flattening import Ground, Paints, find_paints, flatten
from understudy.drawings.keep import kept_character
from understudy.events import Drew, Note, Notify, ignore
from understudy.judges.puppet import PuppetJudge
from understudy.pictures import open_picture
from understudy.provenance import COMPOSITE, FLATTENED, TRAINED, is_marked, write_picture
from understudy.runs import StrPath, open_run

ENDING = "-flat.png"
VISIBLE = 8
"""A difference of colour, of 255, that can be seen."""


def flatten_pictures(
    run: StrPath,
    pictures: Sequence[StrPath],
    out: StrPath | None = None,
    notify: Notify = ignore,
    judge: PuppetJudge | None = None,
) -> list[Path]:
    """Write each picture with flat colours, as "NAME-flat.png" beside it or in `out`; returns the files.

    The colours and the ink are those of the drawings that `run` learned. Scenery and what the character holds
    stay as they are. The record says so; pictures are judged as they were drawn, never like this. A picture
    in which no figure is found is named in a note and left out. Raises `UserError` for a file that is no
    single picture that understudy drew.
    """
    paints = find_paints(kept_character(open_run(run)).drawings)
    judge = judge or PuppetJudge()
    files: list[Path] = []
    for path in map(Path, pictures):
        picture = open_picture(path)
        file = (Path(out) if out is not None else path.parent) / f"{path.stem}{ENDING}"
        try:
            flat = flatten_figure(picture.pixels, paints, judge)
        except UserError:
            notify(Note(f"No figure is found in {path.name}, so it is not flattened."))
            continue
        if np.abs(flat.astype(np.int16) - picture.pixels).max() < VISIBLE:
            told = "its colours are those of the drawings already, or none of them"
            notify(Note(f"Nothing changes in {path.name}: {told}."))
        mark = TRAINED if is_marked(path, TRAINED) else COMPOSITE
        write_picture(file, flat, {**picture.record, FLATTENED: "yes"}, mark)
        files.append(file)
        notify(Drew(file))
    return files


def flatten_figure(pixels: Pixels, paints: Paints, judge: PuppetJudge) -> Pixels:
    """A picture (height, width, 3) with a flat figure; raises `UserError` where there is none."""
    seen = Drawing(Path("the picture"), pixels, "")
    figure = locate(seen, judge, is_ours=True).mask > 127
    paper = find_figure(seen).paper if is_on_paper(pixels) else None
    return flatten(pixels, paints, Ground(figure, judge.find_held(pixels) > 0, paper))
