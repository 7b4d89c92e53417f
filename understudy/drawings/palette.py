"""A character's own colours, without paper and ink, and how constant they are across drawings. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Pixels
from understudy.drawings.figure import Figure
from understudy.drawings.oklab import Oklab, to_oklab

Rgb = tuple[int, int, int]

GROUND, PALE, GREY = 0.88, 0.8, 0.05
"""What begins so far down the figure, of 1, and is so light and grey in Oklab, may be the shadow under it."""
OUTLINED = 0.5
"""Share of its rim that is line: then it is a shoe."""
MOST_PIXELS = 20_000
"""Of each drawing, so that a large one does not outvote the others."""
FLAT = 10
"""Neighbours that differ by less, of 255, belong to one area of colour."""
CELL = 0.02
"""Colours nearer than this, in Oklab, look the same."""
MOST_CELLS = 400
APART = 0.05
"""Groups of colours nearer than this become one swatch; a colour and its shade lie further apart."""
MOST_SWATCHES = 12
LEAST_SHARE = 0.01
"""What is less is chance, or a mixture, unless most of the drawings have it."""
PRESENT = 0.004
"""From this share of a drawing's coloured pixels on, a swatch is in the drawing."""
MOST_DRIFT = 0.02
"""How far the shades of a small colour may lie apart: below that nobody sees it."""


@dataclass(frozen=True)
class Swatch:
    """One of the character's colours: the exact colour that most of its pixels have.

    `share` is its part of the character's coloured surface, a mean over the drawings; `shares` is the same
    for each drawing. `drift` is how far the drawings' own shades of it lie from their mean at most, in Oklab:
    below 0.02 nobody sees it.
    """

    colour: Rgb
    share: float
    shares: tuple[float, ...]
    drift: float

    @property
    def hex(self) -> str:
        """The colour as "#ff7f50"."""
        return hex_of(self.colour)

    @property
    def num_drawings(self) -> int:
        """In how many drawings it is."""
        return sum(share >= PRESENT for share in self.shares)


def hex_of(colour: Rgb) -> str:
    """ "#ff8000"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def commonest(pixels: Pixels) -> Rgb:
    """The colour that most pixels of (N, 3) have."""
    codes = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    values, counts = np.unique(codes, return_counts=True)
    code = int(values[counts.argmax()])
    return code >> 16, code >> 8 & 255, code & 255


def coloured_pixels(figure: Figure, lines: NDArray[np.bool_], paper: bool) -> Pixels:
    """The (N, 3) pixels of a figure's areas of colour, at most 20,000, evenly picked.

    Left out are `lines`, where areas meet and mix, and with `paper` true what has the paper's colour, which
    a mask from flat paper encloses between arm and body; white clothes on white paper go with it. The shadow
    that the figure stands on is left out too. A painted surface is nowhere flat: all of it counts.
    """
    kernel = np.ones((3, 3), np.uint8)
    own = (figure.mask > 127) & ~cv2.dilate(lines.astype(np.uint8), kernel).astype(bool)
    if paper:
        away = np.abs(figure.pixels.astype(np.int16) - np.array(figure.paper, np.int16)).max(axis=2)
        own &= away > FLAT
    changes = cv2.morphologyEx(figure.pixels, cv2.MORPH_GRADIENT, kernel).max(axis=2)
    flat = own & (changes < FLAT)
    flat &= ~_shadow(figure, flat, lines)
    found: Pixels = figure.pixels[flat if flat.sum() > own.sum() / 4 else own]
    return found[:: max(1, -(-len(found) // MOST_PIXELS))]


def _shadow(figure: Figure, flat: NDArray[np.bool_], lines: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The `flat` pixels of pale grey areas low down that no line encloses; none on a cut-off figure."""
    on_figure = figure.mask > 127
    shadow = np.zeros_like(flat)
    rows = np.flatnonzero(on_figure.any(axis=1))
    if not len(rows) or on_figure[-1].any():
        return shadow
    ground = rows[0] + round(GROUND * (rows[-1] - rows[0]))
    lab = to_oklab(figure.pixels)
    pale = flat & (lab[..., 0] > PALE) & (np.hypot(lab[..., 1], lab[..., 2]) < GREY)
    num, labels, stats, _ = cv2.connectedComponentsWithStats(pale.astype(np.uint8), connectivity=8)
    for area in range(1, num):
        if stats[area, cv2.CC_STAT_TOP] < ground:
            continue
        where = labels == area
        rim = cv2.dilate(where.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool) & ~where
        if lines[rim].mean() < OUTLINED:
            shadow |= where
    return shadow


def find_palette(pixels: Sequence[Pixels]) -> tuple[Swatch, ...]:
    """The swatches of drawings' coloured pixels, each (N, 3), the largest first.

    Colours are gathered in cells of Oklab and the nearest groups joined, by Ward's rule (1963), until all lie
    apart: no number of colours has to be guessed, and the same drawings give the same palette.
    """
    sizes = np.array([len(each) for each in pixels], np.int64)
    if not sizes.any():
        return ()
    everything = np.concatenate(pixels)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    lab = to_oklab(everything)
    weights = 1 / sizes[owner] / np.count_nonzero(sizes)  # each drawing weighs the same
    nearest = _nearest(lab, _join(*_cells(lab, weights)))
    totals = np.bincount(nearest, weights)
    swatches = (
        _swatch(everything[nearest == at], lab[nearest == at], owner[nearest == at], sizes)
        for at in np.argsort(-totals, kind="stable")[: 2 * MOST_SWATCHES]
        if totals[at] >= PRESENT / 2
    )
    return tuple(swatch for swatch in swatches if _is_own(swatch))[:MOST_SWATCHES]


def _is_own(swatch: Swatch) -> bool:
    """Whether it is large, or small and always there, as an eye's or a ball's colour is."""
    if swatch.share >= LEAST_SHARE:
        return True
    return swatch.num_drawings >= max(2, len(swatch.shares) / 2) and swatch.drift < MOST_DRIFT


def _swatch(pixels: Pixels, lab: Oklab, owner: NDArray[np.int64], sizes: NDArray[np.int64]) -> Swatch:
    """The swatch of a group of pixels (N, 3); `owner` (N,) numbers their drawings, of `sizes` pixels each."""
    shares = np.bincount(owner, minlength=len(sizes)) / np.maximum(sizes, 1)
    means = [lab[owner == at].mean(axis=0) for at in np.flatnonzero(shares >= PRESENT)]
    drift = max((float(np.linalg.norm(mean - np.mean(means, axis=0))) for mean in means), default=0.0)
    return Swatch(commonest(pixels), float(shares[sizes > 0].mean()), tuple(shares.tolist()), drift)


def _cells(lab: Oklab, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean colour (C, 3) and weight (C,) of the fullest cells of a grid."""
    _, cell = np.unique(np.round(lab / CELL).astype(np.int32), axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    totals: NDArray[np.float64] = np.bincount(cell, weights).astype(np.float64)
    sums = np.stack([np.bincount(cell, weights * lab[:, axis]) for axis in range(3)], axis=1)
    fullest = np.argsort(-totals, kind="stable")[:MOST_CELLS]
    return sums[fullest] / totals[fullest, None], totals[fullest]


def _join(centres: NDArray[np.float64], weights: NDArray[np.float64]) -> Oklab:
    """Join the two nearest groups, small ones first, until all are `APART`; returns their centres (K, 3)."""
    cost = np.stack([_costs(centres, weights, at) for at in range(len(centres))])
    while np.isfinite(cost).any():
        one, two = np.unravel_index(int(cost.argmin()), cost.shape)
        weight = weights[one] + weights[two]
        centres[one] = (weights[one] * centres[one] + weights[two] * centres[two]) / weight
        weights[one], weights[two] = weight, 0
        cost[one] = cost[:, one] = _costs(centres, weights, int(one))
        cost[two] = cost[:, two] = np.inf
    return centres[weights > 0].astype(np.float32)


def _costs(centres: NDArray[np.float64], weights: NDArray[np.float64], at: int) -> NDArray[np.float64]:
    """What joining group `at` with each of the others costs; infinite where they lie apart."""
    squared = ((centres - centres[at]) ** 2).sum(axis=1)
    joinable = (squared < APART**2) & (weights > 0)
    joinable[at] = False
    merged = weights * weights[at] / (weights + weights[at])
    return np.where(joinable, merged * squared, np.inf)


def _nearest(lab: Oklab, centres: Oklab) -> NDArray[np.int64]:
    """For each colour (N, 3) the number of the nearest centre, centre by centre to spare memory."""
    best = np.zeros(len(lab), np.int64)
    least = np.full(len(lab), np.inf, np.float32)
    for number, centre in enumerate(centres):
        distance = ((lab - centre) ** 2).sum(axis=1)
        nearer = distance < least
        best[nearer], least[nearer] = number, distance[nearer]
    return best
