"""The arithmetic of the quality ratio, against known values."""

from __future__ import annotations

import numpy as np
import pytest

from understudy.domain import Scene, Verdict
from understudy.judges.quality import Key, bootstrap_difference, bootstrap_mean, summarise, wilson


def verdict(
    prompt: str = "a",
    same: bool = True,
    damaged: bool = False,
    not_judged: tuple[str, ...] = (),
    **attributes: bool,
) -> Verdict:
    return Verdict(Scene(prompt), 0.9, same, attributes, 0.1, damaged, not_judged)


@pytest.mark.parametrize(
    ("passed", "n", "low", "high"),
    [(0.35 * 39, 39, 0.22, 0.51), (14, 39, 0.2274, 0.5158), (5, 10, 0.2366, 0.7634), (0, 10, 0.0, 0.2775)],
)
def test_wilson_known_values(passed: float, n: int, low: float, high: float) -> None:
    digits = 0.006 if passed != int(passed) else 5e-5
    assert wilson(passed, n) == pytest.approx((low, high), abs=digits)


def test_wilson_at_the_edges() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(10, 10)[1] == 1.0
    assert wilson(10, 10)[0] == pytest.approx(1 - wilson(0, 10)[1])


def test_summarise() -> None:
    report = summarise(
        [
            verdict("a", mood=True, pose=True),
            verdict("a", mood=True, pose=False),
            verdict("b", same=False, mood=True),
            verdict("c", damaged=True, mood=False),
            verdict("c", not_judged=("playing tennis",)),
        ]
    )
    assert report.n == 5
    assert report.quality_ratio == pytest.approx(1 / 5)
    assert (report.low, report.high) == wilson(1, 5)
    assert report.same_character == pytest.approx(4 / 5)
    assert report.attributes == pytest.approx(4 / 6)
    assert report.by_attribute == {"mood": pytest.approx(3 / 4), "pose": pytest.approx(1 / 2)}
    assert report.damaged == pytest.approx(1 / 5)
    assert report.not_judged == {"playing tennis": 1}
    assert report.by_prompt == {"a": 0.5, "b": 0.0, "c": 0.0}


def test_what_cannot_be_judged_never_passes() -> None:
    assert verdict(mood=True).passed
    assert not verdict(mood=True, not_judged=("playing tennis",)).passed


def test_nothing_asked_for_is_no_share() -> None:
    assert summarise([verdict()]).attributes is None
    with pytest.raises(ValueError, match="no verdict"):
        summarise([])


def grid(rates: list[float], seed: int = 0) -> dict[Key, float]:
    """Ten prompts x three seeds per hero, passing with the hero's rate."""
    random = np.random.default_rng(seed)
    keys: list[Key] = [
        (f"hero {h}", f"prompt {p}", s) for h in range(len(rates)) for p in range(10) for s in range(3)
    ]
    return {key: float(random.random() < rates[int(key[0].split()[1])]) for key in keys}


def test_bootstrap_resamples_heroes_not_pictures() -> None:
    same = bootstrap_mean(grid([0.5] * 8))
    different = bootstrap_mean(grid([0.0, 1.0] * 4))
    assert (same.num_heroes, same.n) == (8, 240)
    assert same.low < same.mean < same.high
    assert different.high - different.low > 2 * (same.high - same.low)
    # Eight heroes that pass always or never: the mean of eight coin tosses, sd 0.5 / sqrt(8).
    assert different.high - different.low == pytest.approx(2 * 1.96 * 0.5 / 8**0.5, rel=0.2)


def test_bootstrap_pairs_what_is_compared() -> None:
    first = grid([0.0, 1.0] * 4)
    better = {key: min(1.0, value + 0.1) for key, value in first.items()}
    estimate = bootstrap_difference(better, first)
    assert estimate.mean == pytest.approx(0.05)
    assert estimate.low >= 0
    assert bootstrap_difference(better, first) == estimate
    reordered = dict(reversed(list(first.items())))
    assert bootstrap_difference(better, reordered) == estimate


def test_bootstrap_refuses_pictures_that_do_not_match() -> None:
    first = grid([0.5] * 3)
    with pytest.raises(ValueError, match="same heroes"):
        bootstrap_difference(first, grid([0.5] * 2))
    with pytest.raises(ValueError, match="no value"):
        bootstrap_mean({})


def test_it_is_said_why_pictures_fail() -> None:
    broken = Verdict(Scene("a"), 0.1, False, {"mood": False, "prop": False}, 0.9, True, damaged_at="legs")
    report = summarise([broken, verdict(same=False), verdict(not_judged=("playing tennis",)), verdict()])
    assert next(iter(report.failures.items())) == ("another character than in the drawings", 2)
    assert report.failures == {
        "another character than in the drawings": 2,
        "not as asked for: mood": 1,
        "not as asked for: held thing": 1,
        "damaged, melted or missing, most at the legs": 1,
        "asked for what the judge cannot read": 1,
    }
    assert "\n     2  another character than in the drawings\n" in report.text()
    assert "Why pictures fail" not in summarise([verdict()]).text()
