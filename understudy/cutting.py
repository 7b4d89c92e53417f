"""Pictures and drawings become cut-outs: PNG files that are transparent around the figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from understudy.domain import Drawing, Pixels, UserError
from understudy.drawings.areas import LINE, cover_of_ink, find_areas, unit_px
from understudy.drawings.cutting import cut_out
from understudy.drawings.figure import Figure, find_figure
from understudy.drawings.oklab import to_oklab
from understudy.drawings.smears import largest_pieces, without_smears
from understudy.events import Drew, Notify, ignore
from understudy.judges.puppet import PuppetJudge
from understudy.pictures import read_masked
from understudy.provenance import (
    COMPOSITE,
    CUT_OUT,
    TRAINED,
    encode_png,
    is_marked,
    read_record,
    write_picture,
)
from understudy.runs import StrPath, write_whole

ENDING = "-cut-out.png"
INSIDE = 0.75
"""Share of an area between lines that lies on a roughly found figure, from which on all of it does."""
SCENERY = 0.12
"""Distance in Oklab up to which a colour within a rough figure is that of the scenery outside."""
LINE_PX = 6.0
"""How far a line may lie from the figure's areas, in pixels of a picture of 192."""


def cut_out_pictures(
    pictures: Sequence[StrPath],
    out: StrPath | None = None,
    notify: Notify = ignore,
    judge: PuppetJudge | None = None,
) -> list[Path]:
    """Write each picture without its ground, as "NAME-cut-out.png" beside it or in `out`; returns the files.

    On flat paper the figure is all that differs from it; elsewhere the judge says where it is. A picture
    that understudy drew keeps its record and mark. Raises `UserError` for a file that is no picture, and
    where no figure is found.
    """
    files: list[Path] = []
    for picture in map(Path, pictures):
        folder = Path(out) if out is not None else picture.parent
        path = folder / f"{picture.stem}{ENDING}"
        pixels, mask = read_masked(picture)
        is_ours = any(is_marked(picture, mark) for mark in (TRAINED, COMPOSITE))
        cut = cut_out(locate(Drawing(picture, pixels, "", mask), judge, is_ours))
        _write(path, cut, picture)
        files.append(path)
        notify(Drew(path))
    return files


def locate(drawing: Drawing, judge: PuppetJudge | None = None, is_ours: bool = False) -> Figure:
    """The figure: by its own mask or flat paper, else by the judge's eyes, and then along the colours' edges.

    Of what a machine drew (`is_ours`), smears and specks around the figure are left out. Raises `UserError`
    where there is none.
    """
    found = find_figure(drawing)
    if drawing.mask is not None or not (found.mask > 127).all():
        return without_smears(found) if is_ours and drawing.mask is None else found
    nothing = UserError(f"No figure is found in {drawing.path}: give it a mask or plain paper.")
    if (drawing.pixels == drawing.pixels[0, 0]).all():
        raise nothing
    seen = (judge or PuppetJudge()).find_part(drawing.pixels, "figure")
    mask = _along_edges(drawing.pixels, seen)
    if not mask.any():
        raise nothing
    if is_ours:
        mask = largest_pieces(_along_lines(drawing.pixels, mask))
    # Around it there is no one paper; what is nearest to the rim's ground stands in for it.
    ring = cv2.dilate(mask, np.ones((7, 7), np.uint8)).astype(bool) & (mask == 0)
    ground = np.median(drawing.pixels[ring], axis=0) if ring.any() else np.full(3, 255)
    return replace(found, mask=mask, paper=(int(ground[0]), int(ground[1]), int(ground[2])))


def _along_edges(pixels: Pixels, seen: Pixels) -> Pixels:
    """A rough mask made exact (Rother et al., "GrabCut", SIGGRAPH 2004): (height, width), 0 or 255."""
    labels = np.where(seen > 0, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    reach = max(3, round(0.05 * max(seen.shape))) | 1
    core = cv2.erode(seen, np.ones((reach, reach), np.uint8))
    labels[core > 0] = cv2.GC_FGD
    if not core.any() or not (labels == cv2.GC_BGD).any():
        return seen
    cv2.setRNGSeed(0)  # its clusters start from chance
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(pixels), labels, None, *models, 4, cv2.GC_INIT_WITH_MASK)
    figure = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return np.where(figure, 255, 0).astype(np.uint8)


def _along_lines(pixels: Pixels, rough: Pixels) -> Pixels:
    """A mask (height, width) whose edge follows the ink: each area between lines is in it or not, as a whole.

    Where an outline has a large gap, an area is part figure, part scenery: then what has the scenery's colour
    goes.
    """
    unit = unit_px(pixels)
    lab = to_oklab(pixels)
    lightness = lab[..., 0]
    is_open = cover_of_ink(lightness, float(np.quantile(lightness, 0.02)), unit) < LINE
    inside, areas = rough > 0, np.zeros(rough.shape, bool)
    for area in find_areas(is_open, unit):
        if inside[area].mean() >= INSIDE:
            areas |= area
            continue
        scenery = np.median(lab[area & ~inside], axis=0)
        areas |= area & inside & (np.linalg.norm(lab - scenery, axis=2) > SCENERY)
    if not areas.any():
        return rough
    away = cv2.distanceTransform((~areas).astype(np.uint8), cv2.DIST_L2, 5)
    lines = ~is_open & inside & (away <= LINE_PX * unit)
    return np.where(areas | lines, 255, 0).astype(np.uint8)


def _write(path: Path, cut: Pixels, source: Path) -> None:
    """With the record of a picture that we drew; a drawing of the artist's stays without a mark."""
    for mark in (TRAINED, COMPOSITE):
        if is_marked(source, mark):
            write_picture(path, cut, {**read_record(source), CUT_OUT: "from its ground"}, mark)
            return
    write_whole(path, encode_png(cut))
