"""Scenes become PNG files with a record beside them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from understudy.bases.recommended import suited_settings
from understudy.domain import FOLLOWS_TEXT, Picture, Pixels, Scene, Sketch, UserError
from understudy.drawings.read import read_image
from understudy.events import Drew, Note, Notify, Step, ignore
from understudy.fitting import fit
from understudy.grids import Cell, draw_grid
from understudy.methods import open_painter
from understudy.provenance import COMPOSITE, REDRAWN, TRAINED, is_marked, read_record, write_picture
from understudy.recipes import DrawSettings
from understudy.runs import Checkpoint, StrPath, make_folder, open_run

MAX_SLUG = 60
STRENGTH = 0.7
"""How far a picture leaves its sketch, unless something else is said."""


def draw(
    run: StrPath,
    scenes: Sequence[Scene | str],
    settings: DrawSettings | None = None,
    out: StrPath | None = None,
    notify: Notify = ignore,
    device: str = "auto",
    sketch: Sketch | None = None,
    checkpoint: Checkpoint | None = None,
    reuse: bool = False,
) -> list[Path]:
    """Draw one picture for each scene and return their files, in the order of the scenes.

    A plain prompt is a scene with seed 0. With a `sketch`, see `read_sketch`, the pictures begin from it. The
    files lie in `out`, or in the run's folder `pictures`; the identical call writes the identical files, and
    with `reuse` only those that are not there yet. The newest weights draw, or those of `checkpoint`.
    Raises `UserError` as `open_painter` does, and for settings that the base cannot draw with.
    """
    opened = open_run(run)
    folder = Path(out) if out is not None else opened.pictures
    make_folder(folder)  # fails now, not when the first picture is drawn
    wishes = [Scene(scene) if isinstance(scene, str) else scene for scene in scenes]
    settings = settings or suited_settings(opened)
    with open_painter(opened, checkpoint, device, notify, settings.faster) as painter:
        canvas = painter.canvas(settings)
        laid = sketch and lay_out(sketch, canvas)
        ignoring = {} if painter.follows_text else {FOLLOWS_TEXT: "no"}
        files: dict[Scene, Path] = {}
        if reuse:
            records = {scene: painter.record(scene, settings, laid) | ignoring for scene in wishes}
            places = {scene: place_picture(scene, record, folder) for scene, record in records.items()}
            files = {scene: path for scene, path in places.items() if path.is_file()}
        missing = [scene for scene in wishes if scene not in files]
        num_there = len(wishes) - len(missing)
        notify(Step("drawing", num_there, len(wishes)))
        if ignoring:
            notify(Note("This method ignores the words of a prompt: it draws the character as it likes."))
        for number, picture in enumerate(painter(missing, settings, laid), start=1):
            told = replace(picture, record={**picture.record, **ignoring})
            files[picture.scene] = save_picture(told, folder)
            notify(Drew(files[picture.scene]))
            notify(Step("drawing", num_there + number, len(wishes)))
    return [files[scene] for scene in wishes]


def read_sketch(path: StrPath, strength: float = STRENGTH) -> Sketch:
    """A picture or sketch to begin from; `strength`, above 0 and up to 1, is how far to leave it.

    Raises `UserError` where the file is no picture.
    """
    if not 0 < strength <= 1:
        raise UserError(f"A strength of {strength:g} does not fit: give one above 0 and up to 1.")
    return Sketch(read_pixels(Path(path)), strength, name=Path(path).name)


def read_pixels(path: Path) -> Pixels:
    """Any picture (height, width, 3) over white paper; raises `UserError` where the file is none."""
    return read_masked(path)[0]


def read_masked(path: Path) -> tuple[Pixels, Pixels | None]:
    """As `read_pixels`, with the mask (height, width) that the file's transparency is, if it has any.

    What understudy drew is taken as it is; other files are read as an artist's drawings are.
    """
    if is_marked(path, TRAINED) or is_marked(path, COMPOSITE):
        with Image.open(path) as image:
            if image.mode == "RGB":
                return np.asarray(image), None
    try:
        return read_image(path)
    except UserError as error:
        raise UserError(f"{path} cannot be used: {error}") from error


def lay_out(sketch: Sketch, canvas: tuple[int, int]) -> Sketch:
    """The sketch, and its mask, in the middle of a canvas (width, height), as large as it goes."""
    place = fit((sketch.pixels.shape[1], sketch.pixels.shape[0]), canvas)
    mask = None if sketch.mask is None else place.lay_mask(sketch.mask)
    return replace(sketch, pixels=place.lay(sketch.pixels), mask=mask)


def seeded_scenes(prompts: Sequence[str], count: int, seed: int = 0, negative: str = "") -> list[Scene]:
    """Each prompt `count` times, with the seeds `seed`, `seed` + 1, ..."""
    return [Scene(prompt, seed + number, negative) for prompt in prompts for number in range(count)]


def read_prompts(path: Path) -> list[str]:
    """The prompts in a text file, one a line.

    Empty lines and those that begin with # are skipped. Raises `UserError` where there is no prompt.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: give a text file with one prompt a line.") from error
    prompts = [line for line in lines if line and not line.startswith("#")]
    if not prompts:
        raise UserError(f"{path} holds no prompt: write one a line.")
    return prompts


def open_picture(path: Path) -> Picture:
    """A picture that was drawn, with its record; raises `UserError` for any other file."""
    record = read_record(path)
    try:
        scene = Scene(record["prompt"], int(record["seed"]), record["negative"])
    except (KeyError, ValueError) as error:
        raise UserError(f"{path} is no single picture that understudy drew: give one that is.") from error
    with Image.open(path) as image:
        return Picture(scene, np.asarray(image.convert("RGB")), record)


def save_picture(picture: Picture, folder: Path, source_type: str = TRAINED) -> Path:
    """Write a picture and its record under a name that says its prompt and seed; returns the PNG."""
    path = place_picture(picture.scene, picture.record, folder)
    write_picture(path, picture.pixels, picture.record, source_type)
    return path


def place_picture(scene: Scene, record: Mapping[str, str], folder: Path) -> Path:
    """Where the picture with this record lies."""
    slug = re.sub(r"\W+", "-", scene.prompt.lower()).strip("-")[:MAX_SLUG].rstrip("-") or "picture"
    # Part of the name, so that other settings or weights never overwrite this picture.
    digest = hashlib.sha256(repr(sorted(record.items())).encode()).hexdigest()[:6]
    made = "-redrawn" if REDRAWN in record else ""
    return folder / f"{slug}-{scene.seed}-{digest}{made}.png"


def write_grid(paths: Sequence[Path], out: Path) -> None:
    """Write pictures that were drawn as one PNG: each prompt's side by side, each picture over its seed."""
    rows: dict[str, list[Picture]] = {}
    for path in paths:
        picture = open_picture(path)
        rows.setdefault(picture.scene.prompt, []).append(picture)
    cells = [
        Cell(
            prompt.removeprefix("a picture of "),
            tuple(one.pixels for one in row),
            tuple(f"seed {one.scene.seed}" for one in row),
        )
        for prompt, row in rows.items()
    ]
    # About as wide as high: thirteen prompts with one seed each are no strip.
    num_columns = max(1, round((len(cells) / max(len(cell.tiles) for cell in cells)) ** 0.5))
    record = {"pictures": ", ".join(path.name for path in paths)}
    write_picture(out, np.asarray(draw_grid(cells, num_columns)), record, COMPOSITE)
