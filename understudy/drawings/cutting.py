"""A figure without its paper: transparent around it, and at its edge as much as the paper shines through."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Pixels
from understudy.drawings.figure import Figure

Plane = NDArray[np.float32]

EDGE = 0.01
"""How wide a rim may hold mixed colours, as a share of the longer side; at least two pixels."""
ALIKE = 8
MOST_ALIKE = 5
"""A mixed pixel lies on a slope: of the nine around it, at most so many are like it."""
UNLIKE = 30.0
"""From this distance on, of 255, a colour is no mix of the paper and the one behind it."""


def cut_out(figure: Figure) -> Pixels:
    """The figure's pixels with their transparency: (height, width, 4), RGBA, straight alpha.

    A pixel C of the rim is taken as a mix a F + (1 - a) P of the paper P and the figure's colour F behind it
    (the compositing equation of Porter and Duff, 1984): F is the colour nearby that is farthest from the
    paper, the ink of the outline where there is one. The pixel becomes F with alpha a, so that no paper is
    left in it and on a dark ground there is no halo. What is no such mix stays as it is. A mask with steps
    between 0 and 255 is the alpha itself.
    """
    if ((figure.mask > 0) & (figure.mask < 255)).any():
        return _by_alpha(figure)
    mask = figure.mask > 127
    width = max(2, round(EDGE * max(mask.shape)))
    rim = mask & ~_eroded(mask, width)
    # Beside the mask lie the faintest mixes, too near to the paper to be told from it.
    near = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    rim |= near & ~mask
    colours = figure.pixels.astype(np.float32)
    paper = np.array(figure.paper, np.float32)
    behind = _farthest_nearby(colours, np.linalg.norm(colours - paper, axis=2), near, width)
    alpha = mask.astype(np.float32)
    share, rest = _unmix(colours, behind, paper)
    mixed = rim & (rest < UNLIKE) & (~mask | ~_is_flat(figure.pixels))
    alpha[mixed] = share[mixed]
    alpha[rim & ~mixed & ~mask] = 0
    colours[mixed] = behind[mixed]
    colours[alpha == 0] = 0
    return np.dstack((np.round(colours), np.round(alpha * 255))).astype(np.uint8)


def _by_alpha(figure: Figure) -> Pixels:
    """The drawing was laid over paper with this very alpha: what was there before."""
    alpha = figure.mask[..., None].astype(np.float32) / 255
    paper = np.array(figure.paper, np.float32)
    colours = (figure.pixels - (1 - alpha) * paper) / np.maximum(alpha, 1 / 255)
    colours = np.where(alpha > 0, np.clip(colours, 0, 255), 0)
    return np.dstack((np.round(colours), figure.mask)).astype(np.uint8)


def _is_flat(pixels: Pixels) -> NDArray[np.bool_]:
    """Where more of the nine pixels around, its own among them, are alike than on any slope."""
    values = cv2.copyMakeBorder(pixels, 1, 1, 1, 1, cv2.BORDER_REPLICATE).astype(np.int16)
    height, width = pixels.shape[:2]
    count = np.zeros((height, width), np.int16)
    for down in range(3):
        for right in range(3):
            other = values[down : down + height, right : right + width]
            count += np.abs(other - pixels).max(axis=2) <= ALIKE
    flat: NDArray[np.bool_] = count > MOST_ALIKE
    return flat


def _unmix(colours: Plane, behind: Plane, paper: Plane) -> tuple[Plane, Plane]:
    """How much of `behind` is in each colour, 0 to 1, and how far the nearest mix is from it: (H, W) each."""
    line = behind - paper
    share = ((colours - paper) * line).sum(axis=2) / np.maximum((line * line).sum(axis=2), 1)
    share = np.clip(share, 0, 1).astype(np.float32)
    rest = np.linalg.norm(colours - (paper + share[..., None] * line), axis=2)
    return share, rest.astype(np.float32)


def _farthest_nearby(colours: Plane, distance: Plane, among: NDArray[np.bool_], reach: int) -> Plane:
    """For each pixel the colour within `reach` that is farthest from the paper: (height, width, 3)."""
    best, found = np.where(among, distance, 0), colours.copy()
    height, width = distance.shape
    source_best, source = best.copy(), colours
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            here = (slice(max(0, -down), height - max(0, down)), slice(max(0, -right), width - max(0, right)))
            there = (
                slice(max(0, down), height - max(0, -down)),
                slice(max(0, right), width - max(0, -right)),
            )
            better = source_best[there] > best[here]
            best[here] = np.where(better, source_best[there], best[here])
            found[here] = np.where(better[..., None], source[there], found[here])
    return found


def _eroded(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Without its rim; a figure that the picture's edge cuts off has no rim there."""
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    eroded = cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    inner: NDArray[np.bool_] = eroded.astype(bool)
    return inner
