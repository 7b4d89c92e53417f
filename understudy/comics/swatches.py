"""The colours of a character's drawings, for the palette of its sheet. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from understudy.domain import Drawing
from understudy.drawings.figure import find_figure

Rgb = tuple[int, int, int]

NUM_CLUSTERS = 12
PIXELS_EACH = 4000
APART = 14.0
"""Colours nearer than this, in Lab, are one swatch; paper and ink are told by the same distance."""
LEAST_SHARE = 0.015
DARK = 28.0
"""Below this lightness, of 100, a grey is ink."""
GROUND, PALE = 0.88, 80.0
"""A pale colour only so far down the figure, of 1, is the shadow that it stands on."""


def find_swatches(drawings: Sequence[Drawing], most: int = 8) -> list[Rgb]:
    """The character's own flat colours without paper and ink, the most frequent first."""
    found = [_flat_colours(drawing) for drawing in drawings]
    samples = np.concatenate([colours for colours, _ in found])
    heights = np.concatenate([low for _, low in found])
    if len(samples) < NUM_CLUSTERS:
        return []
    lab = _to_lab(samples)
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 0.2)
    _, labels, centres = cv2.kmeans(lab, NUM_CLUSTERS, np.array([]), stop, 3, cv2.KMEANS_PP_CENTERS)
    counts = np.bincount(labels.ravel(), minlength=NUM_CLUSTERS)
    kept: list[np.ndarray] = []
    swatches: list[Rgb] = []
    for at in np.argsort(-counts, kind="stable"):
        centre = centres[at]
        is_ink = centre[0] < DARK and np.hypot(centre[1], centre[2]) < APART
        is_shadow = np.mean(heights[labels.ravel() == at] > GROUND) > 0.8 and centre[0] > PALE
        is_known = any(np.linalg.norm(centre - other) < APART for other in kept)
        if counts[at] < LEAST_SHARE * len(samples) or is_ink or is_shadow or is_known:
            continue
        kept.append(centre)
        colour = np.median(samples[labels.ravel() == at], axis=0).round().astype(int)
        swatches.append((int(colour[0]), int(colour[1]), int(colour[2])))
    return swatches[:most]


def _flat_colours(drawing: Drawing) -> tuple[np.ndarray, np.ndarray]:
    """The figure's pixels (N, 3) that are like their neighbours and unlike the paper, and how low they lie.

    A pixel's place (N,) is 0 at the top of the figure and 1 at its bottom.
    """
    figure = find_figure(drawing)
    changes = cv2.morphologyEx(figure.pixels, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).max(axis=2)
    rows, columns = np.nonzero((figure.mask > 127) & (changes < 10))
    flat = figure.pixels[rows, columns]
    if not len(flat):
        return flat, rows.astype(np.float64)
    inked = np.flatnonzero(figure.mask.any(axis=1))
    low = (rows - inked[0]) / max(1, inked[-1] - inked[0])
    paper = _to_lab(np.array([figure.paper], np.uint8))
    own = np.linalg.norm(_to_lab(flat) - paper, axis=1) > APART / 2
    every = max(1, int(own.sum()) // PIXELS_EACH)
    return flat[own][::every], low[own][::every]


def _to_lab(colours: np.ndarray) -> np.ndarray:
    """uint8 (N, 3) RGB -> CIE Lab, float32 (N, 3)."""
    lab: np.ndarray = cv2.cvtColor(colours[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    return lab
