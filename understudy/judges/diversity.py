"""How different the pictures of one prompt are from each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

import cv2
import numpy as np

from understudy.domain import Measure, Picture, Pixels
from understudy.drawings.oklab import Oklab, to_oklab
from understudy.judges.averages import mean_with_interval

SIDE = 32
"""Coarse enough that a line's place on the paper does not matter, but a pose does."""


def judge_diversity(pictures: Iterable[Picture]) -> dict[str, Measure]:
    """The mean distance of two pictures of the same prompt; nothing where no prompt has two pictures.

    The distance is the root mean square over the picture in Oklab: 0 for the same picture, 1 for black and
    white.
    """
    by_prompt: defaultdict[str, list[Oklab]] = defaultdict(list)
    for picture in pictures:
        by_prompt[picture.scene.prompt].append(_small(picture.pixels))
    groups = [[distance(*pair) for pair in combinations(same, 2)] for same in by_prompt.values()]
    n = sum(map(len, groups))
    if n == 0:
        return {}
    value, low, high = mean_with_interval(groups)
    others = [same[0] for same in by_prompt.values()]
    between = [distance(*pair) for pair in combinations(others, 2)]
    says = f"Two pictures of one prompt differ by {value:.3f} (0: the same picture, 1: black and white)"
    says += f", two of different prompts by {np.mean(between):.3f}." if between else "."
    return {"diversity": Measure(value, low, high, n, says)}


def distance(first: Oklab, second: Oklab) -> float:
    """Root mean square of the distance in Oklab between two (height, width, 3)."""
    return float(np.sqrt(np.square(first - second).sum(axis=-1).mean()))


def _small(pixels: Pixels) -> Oklab:
    return to_oklab(np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)))
