"""Lay a drawing's figure over a picture in every place and size, mirrored too, and say how much of it fits.

First all places at a coarse size at once, by Fourier transforms (Lewis 1995, "Fast normalized
cross-correlation", here squared differences under a mask); the best few are then moved into place to parts of
a pixel by enhanced correlation (Evangelidis and Psarakis 2008, ECC) and compared line by line. No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Drawing, Pixels
from understudy.drawings.figure import find_figure
from understudy.drawings.oklab import Oklab, to_oklab

Plane = NDArray[np.float32]
Matrix = NDArray[np.float64]
"""(2, 3): from a drawing's sheet to a picture's."""

COARSE_PX = 48
PADDED_PX = 2 * COARSE_PX
"""So that a drawing may lie half outside of the picture on any side."""
FINE_PX = 128
SCALES = tuple(0.55 * 1.06**number for number in range(19))
"""Of a drawing that fills the picture: 0.55 to 1.57."""
NUM_CANDIDATES = 3
"""Drawings, mirrored or not, that are looked at closely."""
LEAST_SEEN = 0.35
"""Share of a figure that must lie within the picture: less of it could be anything."""
CLEAR = 0.25
"""Distance in Oklab from the paper at which a figure's pixel counts in full; a faint shadow counts less."""
ALIKE = 0.06
"""Mean distance in Oklab, over a window of a few pixels, up to which two places show the same."""
WINDOW_PX = 2.0
SMOOTHING_PX = 0.8
"""Makes a recompressed or slightly blurred copy alike."""
MOST_STRETCH = 1.1
"""How much longer one side may become when a drawing is moved into place: pasted, not redrawn."""
EDGE_PX = 3.0
GOES_ON = 0.5
"""Share of a cut edge across which the picture goes on in the same colours."""
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)


@dataclass(frozen=True)
class Sheet:
    """A picture in the middle of a square: Oklab (side, side, 3), and how much a pixel counts, 0 to 1."""

    colours: Oklab
    weights: Plane


@dataclass(frozen=True)
class Overlaid:
    """The drawing that fits best, by number, and the share of its figure that lies in the picture again."""

    drawing: int
    share: float


class Overlay:
    """Some drawings, made ready to be laid over pictures."""

    def __init__(self, drawings: Sequence[Drawing]) -> None:
        """Raises `ValueError` without drawings."""
        if not drawings:
            raise ValueError("There is no drawing to lay over pictures.")
        weights = [_figure_weights(drawing) for drawing in drawings]
        pairs = list(zip(drawings, weights, strict=True))
        self._fine = [_sheet(drawing.pixels, weight, FINE_PX) for drawing, weight in pairs]
        self._edges = [_cut_edges(weight) for weight in weights]
        coarse = [_sheet(drawing.pixels, weight, COARSE_PX) for drawing, weight in pairs]
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

    def best(self, pixels: Pixels, without: int | None = None) -> Overlaid:
        """The drawing that fits a picture (height, width, 3) best, but for the one numbered `without`."""
        everywhere = np.ones(pixels.shape[:2], np.float32)
        picture = _sheet(pixels, everywhere, FINE_PX)
        found = Overlaid(0 if without is None else int(without == 0), 0.0)
        for number, matrix in self._candidates(_sheet(pixels, everywhere, COARSE_PX), without):
            for each in (matrix, _moved_into_place(picture, self._fine[number], matrix)):
                share = self._share(picture, number, each)
                if share > found.share:
                    found = Overlaid(number, share)
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

    def _share(self, picture: Sheet, number: int, matrix: Matrix) -> float:
        """How much of a drawing's figure lies in the picture; 0 where too little of it could."""
        drawing, size = self._fine[number], picture.weights.shape
        scale = abs(np.linalg.det(matrix[:, :2])) ** 0.5
        counts = cv2.warpAffine(drawing.weights, matrix, size) * picture.weights
        if counts.sum() < LEAST_SEEN * drawing.weights.sum() * scale**2:
            return 0.0
        if _goes_on(picture, self._edges[number], matrix):
            return 0.0
        smooth = cv2.GaussianBlur(drawing.colours, (0, 0), SMOOTHING_PX / scale)
        laid = cv2.warpAffine(smooth, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        error = _distance_nearby(laid, cv2.GaussianBlur(picture.colours, (0, 0), SMOOTHING_PX))
        local = cv2.GaussianBlur(error * counts, (0, 0), WINDOW_PX)
        local /= np.maximum(cv2.GaussianBlur(counts, (0, 0), WINDOW_PX), 1e-3)
        return float(counts[local < ALIKE].sum() / counts.sum())


def _figure_weights(drawing: Drawing) -> Plane:
    """How much each pixel (height, width) of a drawing says of its figure."""
    figure = find_figure(drawing)
    paper = to_oklab(np.array(figure.paper, np.uint8))
    clear = np.linalg.norm(to_oklab(figure.pixels) - paper, axis=2) / CLEAR
    weights: Plane = (clear.clip(0, 1) * figure.mask / 255).astype(np.float32)
    # A white figure on white paper, or a mask of nothing but paper: then all of it counts.
    return weights if weights.any() else np.ones_like(weights)


def _sheet(pixels: Pixels, weights: Plane, side: int) -> Sheet:
    """Fit into the middle of a square; nothing outside counts."""
    height, width = weights.shape
    factor = side / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    place = slice(top, top + size[1]), slice(left, left + size[0])
    colours = np.zeros((side, side, 3), np.float32)
    colours[..., 0] = 1  # white
    colours[place] = to_oklab(np.asarray(cv2.resize(pixels, size, interpolation=method)))
    counts = np.zeros((side, side), np.float32)
    counts[place] = cv2.resize(weights, size, interpolation=method)
    return Sheet(colours, counts)


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


def _distance_nearby(laid: Oklab, picture: Oklab) -> Plane:
    """The distance of each pixel to the nearest of the picture's nine pixels there."""
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = picture.shape[:2]
    shifted = (padded[y : y + height, x : x + width] for y in range(3) for x in range(3))
    squares = np.stack([np.square(laid - each).sum(axis=2) for each in shifted])
    nearest: Plane = np.sqrt(squares.min(axis=0))
    return nearest


def _cut_edges(weights: Plane) -> NDArray[np.float64]:
    """Where a figure is cut off by its drawing's edge: (points, 2 sides, x and y) on the fine sheet.

    The two sides are a little inside of the edge and a little outside.
    """
    height, width = weights.shape
    factor = FINE_PX / max(height, width)
    offset = np.array(((FINE_PX - width * factor) / 2, (FINE_PX - height * factor) / 2))
    pairs: list[tuple[Any, Any]] = []
    for edge, at, outward in (
        (weights[:, 0], lambda p: (0, p), (-1, 0)),
        (weights[:, -1], lambda p: (width - 1, p), (1, 0)),
        (weights[0], lambda p: (p, 0), (0, -1)),
        (weights[-1], lambda p: (p, height - 1), (0, 1)),
    ):
        for place in np.flatnonzero(edge > 0.5):
            middle, step = np.array(at(place)) * factor + offset, EDGE_PX * np.array(outward)
            pairs.append((middle - step, middle + step))
    return np.array(pairs, np.float64).reshape(-1, 2, 2)


def _goes_on(picture: Sheet, edges: NDArray[np.float64], matrix: Matrix) -> bool:
    """Whether the picture shows more of the figure beyond the edge that cuts it off in the drawing.

    A portrait's head on a new body is no copy of the portrait; the portrait pasted in, cut edge and all, is.
    """
    points = np.rint(edges @ matrix[:, :2].T + matrix[:, 2]).astype(int)
    is_inside = ((points >= 0) & (points < FINE_PX)).all(axis=(1, 2))
    if is_inside.sum() < EDGE_PX:
        return False
    x, y = points[is_inside].transpose(2, 0, 1)
    within, beyond = picture.colours[y, x].transpose(1, 0, 2)
    return bool((np.linalg.norm(within - beyond, axis=1) < ALIKE).mean() > GOES_ON)
