from __future__ import annotations

import numpy as np
import pytest

from understudy.domain import Picture, Scene
from understudy.judges.averages import mean_with_interval
from understudy.judges.diversity import judge_diversity


def flat(prompt: str, grey: int, size: int = 48) -> Picture:
    return Picture(Scene(prompt), np.full((size, size, 3), grey, np.uint8))


def test_the_mean_is_over_pairs_of_the_same_prompt() -> None:
    pictures = [flat("a", 0), flat("a", 255), flat("a", 255, 96), flat("b", 10), flat("b", 10), flat("c", 99)]
    measure = judge_diversity(pictures)["diversity"]
    assert measure.n == 3 + 1
    assert measure.value == pytest.approx((1 + 1 + 0 + 0) / 4, abs=1e-3)
    assert measure.low is not None
    assert measure.high is not None
    assert 0 <= measure.low <= measure.value <= measure.high <= 1


def test_one_picture_for_each_prompt_says_nothing() -> None:
    assert judge_diversity([flat("a", 0), flat("b", 255)]) == {}
    assert judge_diversity([]) == {}


def test_an_interval_needs_two_groups() -> None:
    assert mean_with_interval([[0.5, 0.7], []]) == (pytest.approx(0.6), None, None)
    mean, low, high = mean_with_interval([[float(number)] for number in range(30)])
    assert mean == 14.5
    assert low is not None
    assert high is not None
    # The mean of 30: sd 8.66 / sqrt(30) = 1.58.
    assert (high - low) / 2 == pytest.approx(1.96 * 1.58, rel=0.15)
    with pytest.raises(ValueError, match="no value"):
        mean_with_interval([[]])
