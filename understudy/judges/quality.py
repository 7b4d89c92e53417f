"""Verdicts become the quality ratio with its interval, and two settings are compared hero by hero."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from understudy.domain import Measure, Verdict

# (hero or character, prompt, seed): what two compared pictures must share.
Key = tuple[str, str, int]
SPOKEN = {"kind": "kind of character", "prop": "held thing"}
"""What an artist is told of attributes whose names are only ours."""


@dataclass(frozen=True)
class QualityReport:
    """How many of `n` pictures pass, and what the others lack; all but `n` and `not_judged` are shares.

    `low` and `high` are the 95% Wilson interval of `quality_ratio`. `attributes` is the share of right ones
    among all attributes asked for, None if none was asked for; `not_judged` counts each wish that the judge
    cannot read; `num_ignoring` pictures were drawn by a painter that ignores the words, of which no wish is
    judged; `measures` are what other judges say of all pictures together; `failures` counts the pictures
    that fail for each reason, the commonest first: one may fail for several.
    """

    quality_ratio: float
    low: float
    high: float
    n: int
    same_character: float
    attributes: float | None
    by_attribute: Mapping[str, float]
    damaged: float
    not_judged: Mapping[str, int]
    by_prompt: Mapping[str, float]
    num_ignoring: int = 0
    measures: Mapping[str, Measure] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)

    def text(self) -> str:
        """The figures as lines to read."""
        lines = [
            f"{self.quality_ratio:.0%} of {self.n} pictures pass "
            f"(95% interval {self.low:.0%} to {self.high:.0%}).",
            f"Same character: {self.same_character:.0%}. Damaged: {self.damaged:.0%}.",
        ]
        if self.failures:
            lines.append("Why pictures fail (one may fail for several reasons):")
            lines += [f"  {count:4}  {reason}" for reason, count in self.failures.items()]
        if self.by_attribute:
            shares = ", ".join(f"{name} {share:.0%}" for name, share in self.by_attribute.items())
            lines.append(f"Right as asked for: {shares}.")
        lines.append("Scene by scene, pictures that pass:")
        lines += [f"  {share:4.0%}  {prompt}" for prompt, share in self.by_prompt.items()]
        if self.not_judged:
            lines.append(f"Not judged, and so never right: {', '.join(self.not_judged)}.")
        if self.num_ignoring:
            lines.append(
                "This method ignores the words: nothing that was asked for is right, and none passes."
            )
        lines += [measure.says for measure in self.measures.values()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Estimate:
    """A mean over pictures with its 95% bootstrap interval over heroes."""

    mean: float
    low: float
    high: float
    num_heroes: int
    n: int


def wilson(passed: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927, "Probable inference, the law of succession", eq. 4)."""
    if n == 0:
        return 0.0, 1.0
    share = passed / n
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def summarise(verdicts: Sequence[Verdict]) -> QualityReport:
    """The figures of a run's verdicts; raises `ValueError` where there is none."""
    if not verdicts:
        raise ValueError("There is no verdict to summarise.")
    n = len(verdicts)
    passed = sum(verdict.passed for verdict in verdicts)
    low, high = wilson(passed, n)
    by_attribute = _shares((name, right) for v in verdicts for name, right in v.attributes.items())
    asked = [right for v in verdicts for right in v.attributes.values()]
    return QualityReport(
        quality_ratio=passed / n,
        low=low,
        high=high,
        n=n,
        same_character=sum(v.same_character for v in verdicts) / n,
        attributes=sum(asked) / len(asked) if asked else None,
        by_attribute=by_attribute,
        damaged=sum(v.damaged for v in verdicts) / n,
        not_judged=_counts(wish for v in verdicts for wish in v.not_judged),
        by_prompt=_shares((v.scene.prompt, v.passed) for v in verdicts),
        num_ignoring=sum(not v.follows_text for v in verdicts),
        failures=_counts(reason for v in verdicts for reason in reasons(v)),
    )


def reasons(verdict: Verdict) -> list[str]:
    """Why a picture fails, each reason once, in an artist's words; empty where it passes."""
    found = [] if verdict.same_character else ["another character than in the drawings"]
    wrong = (name for name, right in verdict.attributes.items() if not right)
    found += [f"not as asked for: {SPOKEN.get(name, name)}" for name in wrong]
    if verdict.damaged:
        where = f", most at the {verdict.damaged_at}" if verdict.damaged_at else ""
        found.append(f"damaged, melted or missing{where}")
    if verdict.not_judged:
        found.append("asked for what the judge cannot read")
    if not verdict.follows_text:
        found.append("drawn by a method that ignores the words")
    return found


def bootstrap_mean(
    values: Mapping[Key, float], num_resamples: int = 10_000, seed: int = 0, coverage: float = 0.95
) -> Estimate:
    """The mean of `values`, and its percentile interval when heroes are drawn with replacement.

    Pictures of one hero are alike, so heroes are resampled, not pictures (cluster bootstrap; Davison and
    Hinkley 1997, section 3.8). Raises `ValueError` where there is no value.
    """
    if not values:
        raise ValueError("There is no value to average.")
    by_hero: defaultdict[str, list[float]] = defaultdict(list)
    for (hero, _, _), value in sorted(values.items()):
        by_hero[hero].append(value)
    sums_H = np.array([sum(group) for group in by_hero.values()])
    counts_H = np.array([len(group) for group in by_hero.values()])
    drawn_RH: NDArray[np.int64] = np.random.default_rng(seed).integers(
        len(sums_H), size=(num_resamples, len(sums_H))
    )
    means_R = sums_H[drawn_RH].sum(axis=1) / counts_H[drawn_RH].sum(axis=1)
    tail = (1 - coverage) / 2
    low, high = np.quantile(means_R, [tail, 1 - tail])
    return Estimate(float(sums_H.sum() / counts_H.sum()), float(low), float(high), len(sums_H), len(values))


def estimate_share(values: Mapping[Key, float], n: int) -> Estimate:
    """The mean of shares of `n` pictures with its interval: over heroes, or Wilson's for one hero.

    Wilson's too where all pictures pass or none does. Raises `ValueError` where there is no value.
    """
    found = bootstrap_mean(values)
    # A bootstrap over pictures that all pass, or all fail, would claim to be certain.
    if found.num_heroes > 1 and 0 < found.mean < 1:
        return replace(found, n=n)
    low, high = wilson(found.mean * n, n)
    return replace(found, low=low, high=high, n=n)


def bootstrap_difference(
    first: Mapping[Key, float], second: Mapping[Key, float], num_resamples: int = 10_000, seed: int = 0
) -> Estimate:
    """The mean of `first - second` over pictures of the same hero, prompt and seed, bootstrapped over heroes.

    Raises `ValueError` where the two do not hold the same keys.
    """
    if first.keys() != second.keys():
        raise ValueError("Only pictures of the same heroes, prompts and seeds can be compared in pairs.")
    return bootstrap_mean({key: first[key] - second[key] for key in first}, num_resamples, seed)


def _shares(pairs: Iterable[tuple[str, bool]]) -> dict[str, float]:
    """The share of True for each name, in the order in which the names first come."""
    groups: defaultdict[str, list[bool]] = defaultdict(list)
    for name, right in pairs:
        groups[name].append(right)
    return {name: sum(group) / len(group) for name, group in groups.items()}


def _counts(names: Iterable[str]) -> dict[str, int]:
    counts: defaultdict[str, int] = defaultdict(int)
    for name in names:
        counts[name] += 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
