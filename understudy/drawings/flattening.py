"""Mottled areas between ink lines become flat ones, in the character's own colours. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Drawing, Pixels
from understudy.drawings.areas import LINE, Labels, Mask, Plane, cover_of_ink, find_areas, spread, unit_px
from understudy.drawings.figure import find_figure
from understudy.drawings.ink import find_lines
from understudy.drawings.oklab import Oklab, to_oklab
from understudy.drawings.palette import Rgb, coloured_pixels, find_palette

USUAL_INK = (38, 33, 43)
WHITE_CLOTHES = 0.12
"""Share of a drawn figure in the paper's colour above which that is its own, not only its eyes'."""
SMOOTH_PX = 1.5
PAYS = 0.03
MOST_PAID_PX = 6.0
LEAST_PAID_PX = 1.2
"""What a further colour must save, in Oklab over all pixels: a share of their number, within these bounds."""
MOST_SHADE = 0.5
SHADE_COST = 0.1
"""A smear of ink may darken a colour up to half; what that costs, in Oklab, for all of it."""
BLUR_COST = 0.03
"""What it costs that a pixel is a mix of two colours that meet in its area."""
WHITE_COST = 0.3
"""What the paper's colour costs within a figure that has none, or where more is white than in any drawing."""
EYE = 0.03
"""Share of the figure up to which a pale area may be the white of an eye, or a smear beside the figure."""
PALE = 0.08
SPECK = 0.0005
"""Share of the figure below which white in a drawing is a seam between colours."""
LARGER = 2.0
"""How many times as much of the figure a white area may take as the drawings' largest: a portrait's eye."""
TINTED = 0.08
"""How much further from white than from a colour such an area may be, in Oklab: a mixed white is tinted."""
ALIKE = 10
"""Colours that differ by no more, of 255, are one."""
BLACK = 0.3
"""Lightness below which all is black to the eye: what a model paints black is seldom as dark as the ink."""
MOST_ERROR = 0.14
"""Mean distance in Oklab above which no colour of the character's is meant, and an area stays as it is."""
INSIDE = 0.7
"""Share of an area that must lie on the figure, where there is no plain paper around it."""
SOFT_PX = 0.6
FAINTEST, FULL = 0.1, 0.8
"""Cover with ink below which none is meant, and from which on it is full."""


@dataclass(frozen=True)
class Paints:
    """What a character is painted with; `has_white` where the paper's colour is one of its own.

    `white_area` is how much of the figure the largest area in the paper's colour takes that a drawing shows
    within its lines, as a white eye: 0 where there is none.
    """

    colours: tuple[Rgb, ...]
    ink: Rgb = USUAL_INK
    has_white: bool = False
    white_area: float = 0.0


@dataclass(frozen=True, eq=False)
class Ground:
    """What is known of a picture beside its pixels: boolean masks (height, width).

    `paper` is its plain paper's colour, None in front of a place, where only `figure` is painted; what `held`
    marks is no part of the character and keeps its colours.
    """

    figure: Mask
    held: Mask
    paper: Rgb | None


def find_paints(drawings: Sequence[Drawing]) -> Paints:
    """The colours and the ink of drawings."""
    coloured, inks, whites, areas = [], [], [], [0.0]
    for drawing in drawings:
        figure = find_figure(drawing)
        lines = find_lines(figure)
        coloured.append(coloured_pixels(figure, lines.where, paper=drawing.mask is None))
        if lines.ink is not None:
            inks.append(lines.ink.colour)
        on_figure = figure.mask > 127
        white = on_figure & (_difference(figure.pixels, figure.paper) <= ALIKE)
        num_pixels = max(1, int(on_figure.sum()))
        whites.append(float(white.sum()) / num_pixels)
        areas.append(_largest(white) / num_pixels)
    colours = tuple(swatch.colour for swatch in find_palette(coloured))
    # Of several inks the darkest: the others are mixed with what they lie on.
    ink = min(inks, key=sum, default=USUAL_INK)
    largest = max(areas)
    has_white = bool(np.median(whites) > WHITE_CLOTHES)
    return Paints(colours, ink, has_white, largest if largest >= SPECK else 0.0)


def flatten(pixels: Pixels, paints: Paints, ground: Ground) -> Pixels:
    """The picture (height, width, 3) with each area of the figure in few of the character's own colours.

    Areas are what a ball of a line's width reaches between the lines (trapped-ball segmentation: Zhang et al.
    2009, "Vectorizing cartoon animations"). An area takes one colour, and a further one only where that
    explains enough more of it, so that a shirt keeps its stripe and loses its clouds. Ink lies over it as
    much as it covered each pixel before. What is scenery, held, or unlike all colours stays as it is.
    """
    unit = unit_px(pixels)
    lab = to_oklab(pixels)
    white = ground.paper or (255, 255, 255)
    colours = _with_ink_and_white(paints, white)
    ink = to_oklab(np.array(paints.ink, np.uint8))
    palette = to_oklab(np.array(colours, np.uint8))
    cover = cover_of_ink(lab[..., 0], float(ink[0]), unit)
    open_areas = cover < LINE
    painted = np.full(pixels.shape[:2], -1, np.int32)
    blank = ~ground.figure if ground.paper is not None else np.zeros_like(open_areas)
    painted[blank & open_areas] = len(colours) - 1
    for where in find_areas(open_areas & ~blank, unit):
        if _is_painted(where, ground):
            is_free = paints.has_white or _may_be_white(where, lab, palette, ground, paints.white_area)
            found = _choose(where, lab, palette, ink, 0.0 if is_free else WHITE_COST, unit)
            if found is not None:
                painted[where] = found
    return _paint(pixels, spread(painted, open_areas), colours, cover, paints.ink, SOFT_PX * unit)


def _is_painted(where: Mask, ground: Ground) -> bool:
    on_figure = ground.paper is not None or ground.figure[where].mean() >= INSIDE
    return bool(where.any() and on_figure and ground.held[where].mean() <= 0.5)


def _choose(
    where: Mask, lab: Oklab, colours: Oklab, ink: Oklab, white_cost: float, unit: float
) -> NDArray[np.int64] | None:
    """The number of the colour of each pixel of an area (pixels,), None where none is meant.

    The last colour is white.
    """
    smooth, colours, ink = map(_as_seen, (_mean_within(lab, where, SMOOTH_PX * unit), colours, ink))
    # A smear of ink darkens a colour.
    costs = np.stack([_distance_to_mixes(smooth, each, ink, SHADE_COST) for each in colours], axis=1)
    costs[:, -1] += white_cost
    bar = max(LEAST_PAID_PX, min(MOST_PAID_PX, PAYS * len(smooth) / unit**2)) * unit**2
    chosen = [int(costs.mean(axis=0).argmin())]
    while True:
        least = _least(chosen, smooth, costs, colours)
        gains = [
            least.sum() - _least([*chosen, at], smooth, costs, colours).sum() for at in range(len(colours))
        ]
        if max(gains) < bar:
            break
        chosen.append(int(np.argmax(gains)))
    # What seemed best for all of it may be only what lies between those that came later.
    for each in chosen[:-1]:
        fewer = [other for other in chosen if other != each]
        if _least(fewer, smooth, costs, colours).sum() - least.sum() < bar:
            chosen, least = fewer, _least(fewer, smooth, costs, colours)
    if least.mean() > MOST_ERROR:
        return None
    numbers: NDArray[np.int64] = np.array(chosen)[costs[:, chosen].argmin(axis=1)]
    return numbers


def _least(chosen: Sequence[int], smooth: Oklab, costs: Plane, colours: Oklab) -> Plane:
    """What each pixel (pixels,) costs in the chosen colours, or in a mix of two where they meet and blur."""
    least: Plane = costs[:, chosen].min(axis=1)
    for one, other in combinations(chosen, 2):
        blurred = _distance_to_mixes(smooth, colours[one], colours[other], 0.0, 1.0) + BLUR_COST
        least = np.minimum(least, blurred)
    return least


def _distance_to_mixes(
    lab: Oklab, colour: Oklab, other: Oklab, cost: float, most: float = MOST_SHADE
) -> Plane:
    """To the nearest mix of a colour with up to so much of another, which costs something: (pixels,)."""
    way, away = other - colour, lab - colour
    share = (away @ way / max(float(way @ way), 1e-6)).clip(0, most)
    distance: Plane = np.linalg.norm(away - share[..., None] * way, axis=-1) + cost * share
    return distance


def _may_be_white(where: Mask, lab: Oklab, colours: Oklab, ground: Ground, white_area: float) -> bool:
    """Whether an area is as the drawings' own whites, or an eye or a pale smear on the paper."""
    share = where.sum() / max(1, ground.figure.sum())
    usual = np.median(lab[where], axis=0)
    if share <= EYE and np.linalg.norm(usual - np.array((1, 0, 0))) < PALE:
        return True
    # Its lighter half, as a pupil's soft edge darkens the white around it.
    lighter = np.median(lab[where & (lab[..., 0] >= usual[0])], axis=0)
    *others, to_white = np.linalg.norm(colours - lighter, axis=1)
    return bool(to_white - TINTED <= min(others) and share <= LARGER * white_area)


def _with_ink_and_white(paints: Paints, white: Rgb) -> tuple[Rgb, ...]:
    """The character's colours, then what its pupils and open mouths are black with, then `white`."""
    own = [each for each in paints.colours if _difference(np.array(each, np.uint8), white) > ALIKE]
    return (*own, paints.ink, white)


def _as_seen(lab: Oklab) -> Oklab:
    """Colours (..., 3) without differences between blacks, which nobody sees."""
    seen: Oklab = np.concatenate([np.maximum(lab[..., :1], BLACK), lab[..., 1:]], axis=-1)
    return seen


def _difference(pixels: Pixels, colour: Rgb) -> NDArray[np.int16]:
    """How far pixels (..., 3) are from a colour in the channel where they differ most, of 255: (...)."""
    most: NDArray[np.int16] = np.abs(pixels.astype(np.int16) - np.array(colour, np.int16)).max(axis=-1)
    return most


def _largest(where: Mask) -> int:
    """How many pixels the largest connected area has."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(where.astype(np.uint8), connectivity=4)
    return int(stats[1:, cv2.CC_STAT_AREA].max(initial=0))


def _mean_within(lab: Oklab, where: Mask, sigma_px: float) -> Oklab:
    """The colours of an area (pixels, 3), smoothed, nothing outside counting."""
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inside = where[box]
    weights = inside.astype(np.float32)
    counts = np.maximum(cv2.GaussianBlur(weights, (0, 0), sigma_px), 1e-4)
    sums = cv2.GaussianBlur(np.ascontiguousarray(lab[box]) * weights[..., None], (0, 0), sigma_px)
    means: Oklab = (sums / counts[..., None])[inside]
    return means


def _paint(
    pixels: Pixels, painted: Labels, colours: Sequence[Rgb], cover: Plane, ink: Rgb, soft_px: float
) -> Pixels:
    """Flat colours with soft borders, ink over them, and the picture as it was where nothing is painted."""
    paint = np.zeros(pixels.shape, np.float32)
    total = np.zeros((*pixels.shape[:2], 1), np.float32)
    for number, colour in enumerate(colours):
        share = cv2.GaussianBlur((painted == number).astype(np.float32), (0, 0), soft_px)[..., None]
        paint += share * np.array(colour, np.float32)
        total += share
    paint /= np.maximum(total, 1e-3)
    lines = ((cover - FAINTEST) / (FULL - FAINTEST)).clip(0, 1)[..., None]
    flat = paint * (1 - lines) + np.array(ink, np.float32) * lines
    total = total.clip(0, 1)
    mixed: Pixels = np.round(flat * total + pixels * (1 - total)).astype(np.uint8)
    return mixed
