"""Colours in a space where equal distances look equally far apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from understudy.domain import Pixels

Oklab = NDArray[np.float32]

# Ottosson 2020, "A perceptual color space for image processing" (https://bottosson.github.io/posts/oklab).
_TO_CONES = np.array(
    (
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    ),
    np.float32,
)
_FROM_CONES = np.array(
    (
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    ),
    np.float32,
)
_LEVELS = np.arange(256, dtype=np.float32) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_oklab(pixels: Pixels) -> Oklab:
    """sRGB (..., 3) uint8 -> (..., 3) lightness 0 ... 1, green to red, blue to yellow."""
    lab: Oklab = np.cbrt(_LINEAR[pixels] @ _TO_CONES.T) @ _FROM_CONES.T
    return lab
