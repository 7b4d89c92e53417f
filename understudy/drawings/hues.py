"""Hue as an angle, with saturation and value: means that do not pretend that greys have a hue. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Pixels

LEAST_AGREEMENT = 0.1
"""Below this length of the mean direction, hues point everywhere and have no mean."""


@dataclass(frozen=True)
class Hsv:
    """Means of hue, saturation and value; saturation and value are 0 to 1.

    `hue_deg` is an angle, 0 to 360, or None where there is no hue: in greys, and where hues point everywhere.
    `hue_agreement` is 1 where all hues are the same and 0 where they cancel out.
    """

    hue_deg: float | None
    hue_agreement: float
    saturation: float
    value: float


def mean_hsv(pixels: Pixels) -> Hsv:
    """Means over a picture (height, width, 3).

    Each pixel's hue counts as much as the pixel is coloured (by its chroma, max - min), so that greys, whose
    hue is undefined, do not count.
    """
    hsv = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)  # hue in degrees
    chroma = hsv[..., 1] * hsv[..., 2]
    hue, agreement = mean_angle(hsv[..., 0], chroma)
    return Hsv(hue, agreement, float(hsv[..., 1].mean()), float(hsv[..., 2].mean()))


def mean_angle(angles_deg: NDArray[np.float32], weights: NDArray[np.float32]) -> tuple[float | None, float]:
    """The mean direction of angles and its length, 0 to 1; None where they cancel out or weigh nothing.

    Mardia and Jupp 2000, "Directional statistics", section 2.2.
    """
    total = float(weights.sum(dtype=np.float64))
    if total == 0:
        return None, 0.0
    radians = np.deg2rad(angles_deg.astype(np.float64))
    mean = complex((weights * np.exp(1j * radians)).sum() / total)
    length = abs(mean)
    if length < LEAST_AGREEMENT:
        return None, length
    return float(np.rad2deg(np.angle(mean)) % 360), length
