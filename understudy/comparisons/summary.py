"""Results become lines of a table, with intervals, and differences between lines in pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from understudy.comparisons.results import MEASURES, Judged, Result
from understudy.footprint import Footprint
from understudy.judges.quality import Estimate, Key, bootstrap_difference, estimate_share

SHARES: Mapping[str, Callable[[Judged], bool | None]] = {
    "quality_ratio": lambda one: one.verdict.passed,
    "same_character": lambda one: one.verdict.same_character,
    "following": lambda one: one.followed,
    "undamaged": lambda one: not one.verdict.damaged,
}
"""What the judge says of each picture, as shares of them."""
COSTS: Mapping[str, Callable[[Footprint], float]] = {
    "seconds": lambda cost: cost.seconds,
    "peak_memory_bytes": lambda cost: cost.peak_memory_bytes,
    "energy_wh": lambda cost: cost.energy_wh,
    "co2e_g": lambda cost: cost.co2e_g,
}


@dataclass(frozen=True)
class Line:
    """One line of the table: all characters and seeds of a row together.

    `shares` have an interval each; following is missing where the `words_ignored` are. `means` are over runs:
    of the measures, of what learning cost and of the checkpoint's size. `seed_deviation` is the standard
    deviation of the quality ratio between seeds of learning, None for one seed. `values` are 1 for each
    picture that passes, or a mean over seeds of learning. `failed` holds a sentence for each run without
    figures.
    """

    label: str
    row: str
    method: str
    num_runs: int
    n: int
    shares: Mapping[str, Estimate]
    means: Mapping[str, float]
    energy_is: str
    words_ignored: bool
    seed_deviation: float | None
    values: Mapping[Key, float]
    failed: tuple[str, ...]

    @property
    def quality(self) -> Estimate | None:
        """The quality ratio, if any run has figures."""
        return self.shares.get("quality_ratio")


def summarise_lines(results: Iterable[Result]) -> list[Line]:
    """A line for each label, in the order of the results."""
    groups: defaultdict[str, list[Result]] = defaultdict(list)
    for result in results:
        groups[result.sitting.line].append(result)
    return [_line(label, group) for label, group in groups.items()]


def _line(label: str, results: Sequence[Result]) -> Line:
    done = [result for result in results if result.pictures]
    pictures = [one for result in done for one in result.pictures]
    columns = {name: _values(done, judge) for name, judge in SHARES.items()}
    costs = [result.footprint for result in done if result.footprint]
    amounts: dict[str, list[float]] = {
        **{name: [one.measures[name].value for one in done if name in one.measures] for name in MEASURES},
        **{name: [read(cost) for cost in costs] for name, read in COSTS.items()},
        "nearest_share": [fmean(one.nearest_share for one in result.pictures) for result in done],
        "checkpoint_bytes": [one.checkpoint_bytes for one in done if one.checkpoint_bytes is not None],
    }
    return Line(
        label=label,
        row=results[0].run.row.title,
        method=results[0].run.row.method,
        num_runs=len(done),
        n=len(pictures),
        shares={name: estimate_share(values, len(pictures)) for name, values in columns.items() if values},
        means={name: fmean(found) for name, found in amounts.items() if found},
        energy_is="measured" if costs and all(one.energy_is == "measured" for one in costs) else "estimated",
        words_ignored=any(not one.verdict.follows_text for one in pictures),
        seed_deviation=_seed_deviation(done),
        values=columns["quality_ratio"],
        failed=tuple(f"{result.run.says}: {result.failed}" for result in results if result.failed),
    )


def compare_pair(first: Line, second: Line) -> Estimate | None:
    """The paired difference in quality of two lines, over the pictures that both have.

    Over characters where there are two or more, else over prompts (cluster bootstrap); None where there are
    not even two prompts.
    """
    common = first.values.keys() & second.values.keys()
    if not common:
        return None
    one, two = ({_clustered(key, common): line.values[key] for key in common} for line in (first, second))
    found = bootstrap_difference(one, two)
    return found if found.num_heroes > 1 else None


def choose_reference(lines: Sequence[Line], label: str | None) -> Line | None:
    """The line of this label, or else the best of those that read words; None where none has figures."""
    if label is not None:
        return next((line for line in lines if line.label == label and line.quality), None)
    judged = [line for line in lines if line.quality]
    reading = [line for line in judged if not line.words_ignored] or judged
    return max(reading, key=lambda line: line.quality.mean if line.quality else 0, default=None)


def all_failed(lines: Iterable[Line]) -> tuple[str, ...]:
    """A sentence for each run without figures, once, however many lines it has."""
    return tuple(dict.fromkeys(sentence for line in lines for sentence in line.failed))


def _clustered(key: Key, keys: Iterable[Key]) -> Key:
    """The key with its prompt in the character's place, where all are of one character."""
    character, prompt, seed = key
    return key if len({other[0] for other in keys}) > 1 else (prompt, character, seed)


def _values(results: Sequence[Result], judge: Callable[[Judged], bool | None]) -> dict[Key, float]:
    """The mean over seeds of learning for each character, prompt and seed of drawing.

    A prompt goes by its number, because each says its own character's name.
    """
    found: defaultdict[Key, list[float]] = defaultdict(list)
    for result in results:
        numbers: dict[str, int] = {}
        for one in result.pictures:
            scene = one.verdict.scene
            number = numbers.setdefault(scene.prompt, len(numbers))
            value = judge(one)
            if value is not None:
                found[result.run.folder.parent.name, f"{number:03d}", scene.seed].append(float(value))
    return {key: fmean(values) for key, values in found.items()}


def _seed_deviation(results: Sequence[Result]) -> float | None:
    by_seed: defaultdict[int | None, list[float]] = defaultdict(list)
    for result in results:
        by_seed[result.run.learning_seed] += [float(one.verdict.passed) for one in result.pictures]
    return stdev(map(fmean, by_seed.values())) if len(by_seed) > 1 else None
