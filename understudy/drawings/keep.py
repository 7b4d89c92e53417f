"""A run keeps the drawings that it learned from, so that its pictures can be judged wherever it goes."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from PIL import Image

from understudy.domain import Character, Drawing, UserError
from understudy.provenance import encode_png
from understudy.runs import Run, record_drawings, write_whole

FOLDER = "drawings"
CAPTIONS_FILE = "captions.csv"


def keep_drawings(character: Character, run: Run) -> None:
    """Write the drawings as the character holds them, not as the artist's files were, into the run.

    Those that are there already stay untouched; damaged ones are written again.
    """
    if _are_kept(character, run):
        return
    folder = run.folder / FOLDER
    table = io.StringIO()
    rows = csv.writer(table)
    for number, drawing in enumerate(character.drawings, start=1):
        file = f"{number:02}.png"
        write_whole(folder / file, _png(drawing))
        rows.writerow((file, drawing.caption))
    # Last, because its presence says that all drawings are there.
    write_whole(folder / CAPTIONS_FILE, table.getvalue().encode())


def kept_character(run: Run) -> Character:
    """The character that a run learned; raises `UserError` where its drawings are not there."""
    manifest = run.manifest
    try:
        table = (run.folder / FOLDER / CAPTIONS_FILE).read_text(encoding="utf-8")
        rows = list(csv.reader(io.StringIO(table)))
        # Only the name: a run that came from elsewhere must not point out of its folder.
        drawings = tuple(_read(run.folder / FOLDER / Path(file).name, caption) for file, caption in rows)
    except (OSError, ValueError, SyntaxError, csv.Error) as error:
        raise UserError(
            f"The drawings of {run.folder} are not there: give the same learn command again."
        ) from error
    return Character(manifest.name, manifest.noun, drawings, manifest.rights)


def _are_kept(character: Character, run: Run) -> bool:
    try:
        kept = record_drawings(kept_character(run))
    except UserError:
        return False
    wanted = record_drawings(character)
    return [(one.caption, one.sha256) for one in kept] == [(one.caption, one.sha256) for one in wanted]


def _png(drawing: Drawing) -> bytes:
    """RGB, or RGBA with the mask as alpha; the colours under the alpha stay as they are over the paper."""
    layers = drawing.pixels if drawing.mask is None else np.dstack((drawing.pixels, drawing.mask))
    return encode_png(layers)


def _read(path: Path, caption: str) -> Drawing:
    with Image.open(path, formats=("PNG",)) as image:
        # As it is, unless somebody made it smaller since, in greys or with a palette.
        mode = "RGBA" if image.has_transparency_data else "RGB"
        layers = np.asarray(image.convert(mode))
    return Drawing(path, layers[..., :3], caption, layers[..., 3] if layers.shape[2] == 4 else None)
