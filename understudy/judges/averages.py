"""The mean of a few values with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NUM_RESAMPLES = 2000


def mean_with_interval(groups: Sequence[Sequence[float]]) -> tuple[float, float | None, float | None]:
    """The mean of all values, and its 95% percentile interval when groups are drawn with replacement.

    A group holds what belongs together, such as one prompt's pictures (cluster bootstrap; Davison and Hinkley
    1997, section 3.8). No interval where there are fewer than two groups. Raises `ValueError` for no values.
    """
    filled = [group for group in groups if group]
    if not filled:
        raise ValueError("There is no value to average.")
    sums = np.array([sum(group) for group in filled])
    counts = np.array([len(group) for group in filled])
    mean = float(sums.sum() / counts.sum())
    if len(filled) < 2:
        return mean, None, None
    drawn = np.random.default_rng(0).integers(len(filled), size=(NUM_RESAMPLES, len(filled)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (0.025, 0.975))
    return mean, float(low), float(high)
