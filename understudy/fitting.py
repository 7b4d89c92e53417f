"""A picture of any size on a canvas of another size, and back again. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from understudy.domain import Pixels


@dataclass(frozen=True)
class Fit:
    """How a picture lies on a canvas: as large as it goes, in the middle; all in pixels.

    `size` is the picture's (width, height), `canvas` the canvas's, `left`, `top`, `width` and `height` the
    picture's place on it.
    """

    size: tuple[int, int]
    canvas: tuple[int, int]
    left: int
    top: int
    width: int
    height: int

    def lay(self, pixels: Pixels) -> Pixels:
        """The picture (height, width, 3) on the canvas, whose margins go on with the picture's edge."""
        scaled = resize(pixels, (self.width, self.height))
        below = self.canvas[1] - self.top - self.height
        right = self.canvas[0] - self.left - self.width
        sides = (self.top, below, self.left, right)
        return np.asarray(cv2.copyMakeBorder(scaled, *sides, cv2.BORDER_REPLICATE), np.uint8)

    def lay_mask(self, mask: Pixels) -> Pixels:
        """A mask (height, width) on the canvas, 0 in the margins; what touches a pixel counts."""
        scaled = resize(np.where(mask > 0, 255, 0).astype(np.uint8), (self.width, self.height))
        laid = np.zeros(self.canvas[::-1], np.uint8)
        laid[self.top : self.top + self.height, self.left : self.left + self.width] = scaled
        return np.where(laid > 0, 255, 0).astype(np.uint8)

    def lift(self, canvas: Pixels) -> Pixels:
        """What lies on the canvas where the picture is, at the picture's size."""
        place = canvas[self.top : self.top + self.height, self.left : self.left + self.width]
        return resize(np.ascontiguousarray(place), self.size)


def fit(size: tuple[int, int], canvas: tuple[int, int]) -> Fit:
    """How a picture of `size` (width, height) fits a `canvas`; the same size fits without any change."""
    scale = min(canvas[0] / size[0], canvas[1] / size[1])
    width, height = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    return Fit(size, canvas, (canvas[0] - width) // 2, (canvas[1] - height) // 2, width, height)


def resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Pixels (height, width, ...) at another (width, height): averaged when smaller, smooth when larger."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    method = cv2.INTER_AREA if size[0] < width else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8)
