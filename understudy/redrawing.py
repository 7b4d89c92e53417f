"""A part of a picture is drawn anew; the rest stays as it is, to the pixel."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from understudy.bases.recommended import suited_settings
from understudy.domain import Picture, Pixels, Sketch, UserError
from understudy.drawings.read import read_image
from understudy.events import Drew, Note, Notify, Step, ignore
from understudy.fitting import fit
from understudy.judges.parts import NAMES
from understudy.judges.puppet import PuppetJudge
from understudy.methods import open_painter
from understudy.pictures import lay_out, read_pixels, save_picture, seeded_scenes
from understudy.provenance import COMPOSITE, REDRAWN, TRAINED, is_marked
from understudy.recipes import DrawSettings
from understudy.runs import StrPath, make_folder, open_run, write_whole

STRENGTH = 0.6
"""From here on, the embedded base loses faces; a larger base stands more."""
SOFT = 1.5
"""How many times larger than the base draws a picture may be before that is said."""
OF_FIGURE = frozenset(NAMES) - {"background", "held thing"}
"""The parts of which there is a share of the figure to be told."""
FEATHER = 0.015
"""Over how wide a rim, as a share of the picture's longer side, the new fades in within the mask."""


def redraw(
    run: StrPath,
    picture: StrPath,
    prompt: str,
    mask: StrPath | None = None,
    part: str | None = None,
    strength: float = STRENGTH,
    count: int = 1,
    seed: int = 0,
    settings: DrawSettings | None = None,
    out: StrPath | None = None,
    notify: Notify = ignore,
    device: str = "auto",
    judge: PuppetJudge | None = None,
) -> list[Path]:
    """Draw a part of `picture` anew, `count` times, and return the new files; `prompt` says the whole scene.

    Either `mask` is a picture that is white where to draw and black elsewhere, or `part` names what the judge
    is to find ("face", "left hand": see `judges.parts.NAMES`), which is kept as a mask in the folder `masks`
    of the run, or of `out`, to be mended. Outside of it every pixel stays as it was.
    Raises `UserError` for a mask of another size, a part that is not seen, or what `draw` refuses.
    """
    opened = open_run(run)
    before = read_pixels(Path(picture))
    _refuse_scaled(Path(picture), before)
    if (mask is None) == (part is None):
        raise UserError("Say what to draw anew: give a mask (--mask) or the name of a part (--part).")
    if mask is not None:
        where, said = read_mask(Path(mask), before), Path(mask).name
    else:
        judge = judge or PuppetJudge()
        where, said = judge.find_part(before, str(part)), " ".join(str(part).lower().split())
        masks = (Path(out) if out is not None else opened.folder) / "masks"
        kept = keep_mask(where, masks, f"{Path(picture).stem}-{'-'.join(said.split())}")
        share = f", {_share(where, judge.find_figure(before)):.0%} of the figure" if said in OF_FIGURE else ""
        notify(Note(f"What counts as {said}{share}, is white in {kept}: if it is wrong, mend it (--mask)."))
    sketch = Sketch(before, strength, where, Path(picture).name)
    settings = settings or suited_settings(opened)
    scenes = seeded_scenes([prompt], count, seed)
    folder = Path(out) if out is not None else opened.pictures
    source = TRAINED if is_marked(Path(picture), TRAINED) else COMPOSITE
    files: list[Path] = []
    with open_painter(opened, None, device, notify, settings.faster) as painter:
        canvas = painter.canvas(settings)
        place = fit((before.shape[1], before.shape[0]), canvas)
        if max(before.shape[:2]) > SOFT * max(canvas):
            sizes = f"{before.shape[1]} x {before.shape[0]} pixels, the base draws {canvas[0]} x {canvas[1]}"
            notify(Note(f"{picture} has {sizes}: what is drawn anew will be softer than the rest."))
        for drawn in painter(scenes, settings, lay_out(sketch, canvas)):
            new = replace(drawn, pixels=place.lift(drawn.pixels))
            files.append(save_picture(_put_in(new, before, where, said), folder, source))
            notify(Drew(files[-1]))
            notify(Step("redrawing", len(files), count))
    return files


def blend(before: Pixels, after: Pixels, mask: Pixels, feather_px: float) -> Pixels:
    """`after` where `mask` (height, width) is set, fading in from its edge inwards; elsewhere `before`.

    Both are (height, width, 3). Outside the mask the result is `before` to the pixel.
    """
    # Distance to the nearest pixel outside: 1 on the mask's own rim. The picture's edge is no rim.
    depth = cv2.distanceTransform((mask > 0).astype(np.uint8), cv2.DIST_L2, 5)
    share = np.clip(depth / (feather_px + 1), 0, 1)[..., None]
    mixed = np.round(before * (1 - share) + after * share).astype(np.uint8)
    return np.where(mask[..., None] > 0, mixed, before)


def read_mask(path: Path, picture: Pixels) -> Pixels:
    """A painted mask (height, width), 255 where it is lighter than mid-grey.

    Raises `UserError` where it is no picture, all black, or of another size than `picture`.
    """
    try:
        pixels = read_image(path)[0]
    except UserError as error:
        raise UserError(f"The mask {path} cannot be used: {error}") from error
    if pixels.shape != picture.shape:
        sizes = " and ".join(f"{each.shape[1]} x {each.shape[0]}" for each in (pixels, picture))
        raise UserError(
            f"The mask and the picture have different sizes ({sizes}): paint it over the picture."
        )
    mask = np.where(pixels.mean(axis=2) > 127, 255, 0).astype(np.uint8)
    if not mask.any():
        raise UserError(f"The mask {path} is black all over: paint white what is to be drawn anew.")
    return mask


def _share(part: Pixels, figure: Pixels) -> float:
    """How much of a figure a part is; both are masks (height, width)."""
    return float((figure[part > 0] > 0).sum() / max(1, (figure > 0).sum()))


def keep_mask(mask: Pixels, folder: Path, name: str) -> Path:
    """Write a mask (height, width) as a picture that can be painted over, and return its file.

    Another one of that name, which somebody may have mended, stays as it is.
    """
    make_folder(folder)
    data = BytesIO()
    Image.fromarray(mask).save(data, "PNG")
    file, number = folder / f"{name}.png", 1
    while file.exists() and file.read_bytes() != data.getvalue():
        number += 1
        file = folder / f"{name}-{number}.png"
    write_whole(file, data.getvalue())
    return file


def _put_in(drawn: Picture, before: Pixels, mask: Pixels, said: str) -> Picture:
    height, width = before.shape[:2]
    pixels = blend(before, drawn.pixels, mask, FEATHER * max(height, width))
    own = {"drawn_width": drawn.record["width"], "drawn_height": drawn.record["height"]}
    told = {REDRAWN: said, "outside": "as it was, to the pixel", "width": str(width), "height": str(height)}
    return replace(drawn, pixels=pixels, record={**drawn.record, **own, **told})


def _refuse_scaled(path: Path, pixels: Pixels) -> None:
    """Reading scales very large pictures down: what is scaled cannot stay as it was."""
    try:
        with Image.open(path) as image:
            size = image.size
    except (OSError, SyntaxError, ValueError):
        return  # of a kind that only our own reading knows
    if sorted(size) != sorted(pixels.shape[:2]):
        raise UserError(f"{path} is too large to stay as it is: save it with sides of at most 2048 pixels.")
