"""Lay a drawing's figure over a picture in every place and size, mirrored too, and say how much of it fits.

First all places at a coarse size at once, by Fourier transforms (Lewis 1995, "Fast normalized
cross-correlation", here squared differences under a mask); the best few are then moved into place to parts of
a pixel by enhanced correlation (Evangelidis and Psarakis 2008, ECC) and compared line by line. No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Drawing, Pixels
from understudy.drawings.oklab import Oklab
from understudy.judges.sheets import (
    FINE_PX,
    Matrix,
    Plane,
    Sheet,
    cut_edges,
    figure_weights,
    goes_on,
    make_sheet,
)

COARSE_PX = 48
PADDED_PX = 2 * COARSE_PX
"""So that a drawing may lie half outside of the picture on any side."""
SCALES = tuple(0.55 * 1.06**number for number in range(19))
"""Of a drawing that fills the picture: 0.55 to 1.57."""
NUM_CANDIDATES = 3
"""Drawings, mirrored or not, that are looked at closely."""
LEAST_SEEN = 0.35
"""Share of a figure that must lie within the picture: less of it could be anything."""
ALIKE = 0.10
"""Mean distance in Oklab, over a small window, up to which two places show the same: what a drawing that was
learned by heart has after it went through the embedded base's autoencoder, and no more."""
WINDOW_PX = 2.0
PLACE_PX = 5.0
"""How large a place of the figure is that may not fit: a hand, a mouth."""
WORST = 0.01
"""Share of the places that are passed over to find the worst."""
BESIDE_PX = 3
"""So near to a drawing's figure, what the picture shows is a line that lies a little off, nothing new."""
SMOOTHING_PX = 0.8
"""Makes a recompressed or slightly blurred copy alike."""
MOST_STRETCH = 1.1
"""How much longer one side may become when a drawing is moved into place: pasted, not redrawn."""
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)


@dataclass(frozen=True)
class Overlaid:
    """The drawing that fits best, by number, and how well.

    `share` of its figure lies in the picture again; `worst` is that share in the place that fits worst, and 0
    where the picture shows more of a figure that the drawing cuts off. `beyond` is how much of
    the picture's own figure lies where the drawing has nothing, as a share of what of the drawing is seen.
    """

    drawing: int
    share: float
    worst: float
    beyond: float


class Overlay:
    """Some drawings, made ready to be laid over pictures."""

    def __init__(self, drawings: Sequence[Drawing]) -> None:
        """Raises `ValueError` without drawings."""
        if not drawings:
            raise ValueError("There is no drawing to lay over pictures.")
        weights = [figure_weights(drawing) for drawing in drawings]
        pairs = list(zip(drawings, weights, strict=True))
        self._fine = [make_sheet(drawing.pixels, weight, FINE_PX) for drawing, weight in pairs]
        self._edges = [cut_edges(weight) for weight in weights]
        coarse = [make_sheet(drawing.pixels, weight, COARSE_PX) for drawing, weight in pairs]
        self._ways = [
            (number, mirrored, scale)
            for number in range(len(drawings))
            for mirrored in (False, True)
            for scale in SCALES
        ]
        placed = [_enlarged(coarse[number], mirrored, scale) for number, mirrored, scale in self._ways]
        weighted = np.stack([sheet.colours * sheet.weights[..., None] for sheet in placed])
        squares = np.stack([np.square(sheet.colours).sum(axis=2) * sheet.weights for sheet in placed])
        counts = np.stack([sheet.weights for sheet in placed])
        self._colours_f, self._squares_f, self._counts_f = (
            np.conj(np.fft.rfft2(each, axes=(1, 2))) for each in (weighted, squares, counts)
        )
        self._counts = counts.sum(axis=(1, 2))

    def best(self, pixels: Pixels, figure: Plane | None = None, without: int | None = None) -> Overlaid:
        """The drawing that fits a picture (height, width, 3) best, but for the one numbered `without`.

        `figure` (height, width) is how surely each pixel belongs to the picture's own figure, None where that
        is not known.
        """
        everywhere = np.ones(pixels.shape[:2], np.float32)
        picture = make_sheet(pixels, everywhere, FINE_PX)
        shown = None if figure is None else make_sheet(pixels, figure, FINE_PX).weights
        found = Overlaid(int(without == 0), 0.0, 0.0, 0.0)
        for number, matrix in self._candidates(make_sheet(pixels, everywhere, COARSE_PX), without):
            for each in (matrix, _moved_into_place(picture, self._fine[number], matrix)):
                laid = self._lay(picture, shown, number, each)
                found = max(found, laid, key=_goodness)
        return found

    def _candidates(self, picture: Sheet, without: int | None) -> list[tuple[int, Matrix]]:
        """The best place of each drawing, mirrored or not, and of these the best few."""
        inside = _padded(picture.weights)
        colours = _padded(picture.colours) * inside[..., None]
        inside_f, squares_f = (np.fft.rfft2(each) for each in (inside, np.square(colours).sum(axis=2)))
        colours_f = np.fft.rfft2(colours, axes=(0, 1))
        # sum w |T - P|^2 = sum w T^2 - 2 sum w T P + sum w P^2, over where the picture is.
        crossed = np.einsum("nyxc,yxc->nyx", self._colours_f, colours_f)
        sums = np.fft.irfft2(self._squares_f * inside_f + self._counts_f * squares_f - 2 * crossed)
        seen = np.fft.irfft2(self._counts_f * inside_f)
        is_enough = seen >= LEAST_SEEN * self._counts[:, None, None]
        errors = np.where(is_enough, sums / np.maximum(seen, 1e-3), np.inf).reshape(len(self._ways), -1)
        best: dict[tuple[int, bool], tuple[float, int, int]] = {}
        for way, place in enumerate(errors.argmin(axis=1)):
            number, mirrored, _ = self._ways[way]
            error = float(errors[way, place])
            if number != without and error < best.get((number, mirrored), (np.inf,))[0]:
                best[number, mirrored] = error, way, int(place)
        chosen = sorted(best.values())[:NUM_CANDIDATES]
        return [(self._ways[way][0], self._matrix(way, place)) for _, way, place in chosen]

    def _matrix(self, way: int, place: int) -> Matrix:
        _, mirrored, scale = self._ways[way]
        matrix = _about_middle(FINE_PX, mirrored, scale)
        down, right = divmod(place, PADDED_PX)
        for axis, moved in enumerate((right, down)):
            back = PADDED_PX if moved >= PADDED_PX // 2 else 0  # what is left of the middle comes last
            matrix[axis, 2] += (moved - back) * FINE_PX / COARSE_PX
        return matrix

    def _lay(self, picture: Sheet, shown: Plane | None, number: int, matrix: Matrix) -> Overlaid:
        """How well a drawing fits in one place; not at all where too little of it could."""
        drawing, size = self._fine[number], picture.weights.shape
        scale = abs(np.linalg.det(matrix[:, :2])) ** 0.5
        counts = cv2.warpAffine(drawing.weights, matrix, size) * picture.weights
        if counts.sum() < LEAST_SEEN * drawing.weights.sum() * scale**2:
            return Overlaid(number, 0.0, 0.0, 0.0)
        smooth = cv2.GaussianBlur(drawing.colours, (0, 0), SMOOTHING_PX / scale)
        laid = cv2.warpAffine(smooth, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        error = _distance_nearby(laid, cv2.GaussianBlur(picture.colours, (0, 0), SMOOTHING_PX))
        fits = counts * (_mean_around(error, counts, WINDOW_PX) < ALIKE)
        place_px = PLACE_PX * max(scale, 0.5)
        around = cv2.GaussianBlur(counts, (0, 0), place_px)
        places = cv2.GaussianBlur(fits, (0, 0), place_px)[around > around.max() / 4]
        places /= around[around > around.max() / 4]
        share = float(fits.sum() / counts.sum())
        beyond = 0.0 if shown is None else _beyond(shown, counts)
        if goes_on(picture, self._edges[number], matrix):
            return Overlaid(number, share, 0.0, beyond)
        return Overlaid(number, share, float(np.quantile(places, WORST)), beyond)


def _beyond(shown: Plane, laid: Plane) -> float:
    """How much of the picture's figure lies clear of the drawing laid over it, as a share of that."""
    reach = 2 * BESIDE_PX + 1
    near = cv2.dilate((laid > 0.1).astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    return float(shown[~near].sum() / laid.sum())


def _goodness(laid: Overlaid) -> tuple[float, float]:
    """What fits everywhere comes first; of what does not, that of which more fits."""
    return round(laid.worst, 1), laid.share


def _about_middle(side: int, mirrored: bool, scale: float) -> Matrix:
    """Scale, and mirror, about the middle of a square."""
    middle = (side - 1) / 2
    across = -scale if mirrored else scale
    return np.array(((across, 0, middle - across * middle), (0, scale, middle - scale * middle)))


def _enlarged(coarse: Sheet, mirrored: bool, scale: float) -> Sheet:
    """A coarse sheet on the padded square, in the middle."""
    matrix = _about_middle(COARSE_PX, mirrored, scale)
    matrix[:, 2] += (PADDED_PX - COARSE_PX) / 2
    size = PADDED_PX, PADDED_PX
    colours = cv2.warpAffine(coarse.colours, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return Sheet(colours, cv2.warpAffine(coarse.weights, matrix, size))


def _padded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    margin = (PADDED_PX - COARSE_PX) // 2
    around = ((margin, margin), (margin, margin)) + ((0, 0),) * (values.ndim - 2)
    return np.pad(values, around)


def _moved_into_place(picture: Sheet, drawing: Sheet, matrix: Matrix) -> Matrix:
    """The matrix moved by parts of a pixel; as it was where that leads nowhere or stretches the drawing."""
    inverse = cv2.invertAffineTransform(matrix).astype(np.float32)
    where = (drawing.weights > 0.3).astype(np.uint8)
    try:
        _, found = cv2.findTransformECC(
            picture.colours[..., 0], drawing.colours[..., 0], inverse, cv2.MOTION_AFFINE, _STEPS, where, 5
        )
    except cv2.error:  # it does not converge
        return matrix
    longer, shorter = np.linalg.svd(found[:, :2], compute_uv=False)
    if not 0.5 < shorter <= longer < min(2.0, MOST_STRETCH * shorter):
        return matrix
    moved: Matrix = cv2.invertAffineTransform(found.astype(np.float64))
    return moved


def _mean_around(values: Plane, counts: Plane, window_px: float) -> Plane:
    """The mean of values near each pixel, by how much they count."""
    sums = cv2.GaussianBlur(values * counts, (0, 0), window_px)
    means: Plane = sums / np.maximum(cv2.GaussianBlur(counts, (0, 0), window_px), 1e-3)
    return means


def _distance_nearby(laid: Oklab, picture: Oklab) -> Plane:
    """The distance of each pixel to the nearest of the picture's nine pixels there."""
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = picture.shape[:2]
    shifted = (padded[y : y + height, x : x + width] for y in range(3) for x in range(3))
    squares = np.stack([np.square(laid - each).sum(axis=2) for each in shifted])
    nearest: Plane = np.sqrt(squares.min(axis=0))
    return nearest
