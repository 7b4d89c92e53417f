"""The arithmetic of the table, against values computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from understudy.comparisons.asked import Entry, Row
from understudy.comparisons.columns import make_columns
from understudy.comparisons.losses import losses_csv, row_curves
from understudy.comparisons.plan import PlannedRun, PlannedSitting
from understudy.comparisons.results import Judged, Result
from understudy.comparisons.summary import choose_reference, compare_pair, summarise_lines
from understudy.comparisons.tables import latex, markdown
from understudy.domain import Measure, Scene, Verdict
from understudy.footprint import Footprint
from understudy.judges.quality import wilson
from understudy.recipes import DrawSettings, PromptOnly
from understudy.runs import LOG_FILE


def result(
    label: str,
    hero: int,
    passes: Sequence[bool],
    learning_seed: int = 0,
    follows_text: bool = True,
    failed: str = "",
) -> Result:
    """A run whose pictures, one a prompt, pass or not."""
    folder = Path("out/runs") / f"hero-{hero}" / label
    sitting = PlannedSitting(line=label, folder=folder, at_step=None, settings=DrawSettings())
    run = PlannedRun(
        entry=Entry(hero=hero),
        row=Row(method="prompt-only", label=label),
        learning_seed=learning_seed,
        recipe=PromptOnly(),
        folder=folder,
        prompts=("a",),
        count=1,
        seed=0,
        drift=False,
        grid_intensity=None,
        sittings=(sitting,),
    )
    pictures = [
        Judged(
            Path(f"{number}.png"),
            Verdict(Scene(f"hero {hero} in {number}"), 0.5, right, {}, 0.1, False, (), follows_text),
            "01.png",
            0.1,
            False,
        )
        for number, right in enumerate(passes)
    ]
    measures = {"copying": Measure(0.1 * hero, None, None, 4, "")}
    footprint = None if failed else Footprint(10.0 * hero, hero, 1.0, 0.5, "estimated")
    return Result(run, sitting, f"Mo {hero}", tuple(pictures), measures, footprint, 100, failed)


def test_pairs_are_of_one_character_prompt_and_seed() -> None:
    results = [
        result("one", 1, [True, True, True, False]),
        result("one", 2, [True, True, False, False]),
        result("two", 1, [True, False, False, False]),
        result("two", 2, [True, False, False, False]),
    ]
    one, two = summarise_lines(results)
    found = compare_pair(one, two)
    assert found is not None
    # By hand: hero 1 gains 2 of 4, hero 2 gains 1 of 4.
    assert found.mean == pytest.approx(3 / 8)
    assert (found.num_heroes, found.n) == (2, 8)
    drawn = np.random.default_rng(0).integers(2, size=(10_000, 2))
    means = np.array([2 / 4, 1 / 4])[drawn].mean(axis=1)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    back = compare_pair(two, one)
    assert back is not None
    assert back.mean == pytest.approx(-found.mean)


def test_one_character_is_bootstrapped_over_its_prompts() -> None:
    one, two = summarise_lines([result("one", 1, [True, True, False]), result("two", 1, [False] * 3)])
    found = compare_pair(one, two)
    assert found is not None
    assert (found.num_heroes, found.n) == (3, 3)
    assert found.mean == pytest.approx(2 / 3)
    assert found.low < found.mean < found.high
    assert one.quality is not None
    assert (one.quality.low, one.quality.high) == pytest.approx(wilson(2, 3))


def test_only_what_both_have_is_compared() -> None:
    one, two = summarise_lines(
        [
            result("one", 1, [True, False]),
            result("one", 2, [True, True]),
            result("two", 1, [False, False]),
            result("two", 2, [], failed="It broke."),
        ]
    )
    found = compare_pair(one, two)
    assert found is not None
    assert (found.mean, found.n) == (0.5, 2)
    assert two.failed == ("hero-2, two, learning seed 0: It broke.",)
    (empty,) = summarise_lines([result("three", 1, [], failed="It broke.")])
    assert compare_pair(one, empty) is None
    assert empty.quality is None


def test_seeds_of_learning_are_averaged_and_their_spread_is_told() -> None:
    (line,) = summarise_lines(
        [result("one", 1, [True, True], learning_seed=0), result("one", 1, [True, False], learning_seed=1)]
    )
    assert sorted(line.values.values()) == [0.5, 1.0]
    assert line.n == 4
    assert line.quality is not None
    assert line.quality.mean == 0.75
    # By hand: 1.0 and 0.5 lie 0.25 from their mean; the sample's deviation is sqrt(2 * 0.25^2).
    assert line.seed_deviation == pytest.approx(0.25 * 2**0.5)


def test_figures_of_runs_are_means() -> None:
    (line,) = summarise_lines([result("one", 1, [True]), result("one", 3, [False])])
    assert line.means["seconds"] == 20
    assert line.means["copying"] == pytest.approx(0.2)
    assert line.means["checkpoint_bytes"] == 100
    assert line.energy_is == "estimated"


def test_who_ignores_the_words_is_not_judged_by_them_and_never_the_reference() -> None:
    lines = summarise_lines(
        [result("gan", 1, [True, True], follows_text=False), result("reads", 1, [True, False])]
    )
    reference = choose_reference(lines, None)
    assert reference is not None
    assert reference.label == "reads"
    assert choose_reference(lines, "gan") == lines[0]
    columns = {column.title: column.cells for column in make_columns(lines, reference)}
    assert columns["following"] == ("not judged", "1.00")
    assert columns["quality ratio"][0] == "0.00 (0.00 to 0.66)†"
    assert columns["difference to the reference"][0].endswith("†")
    assert columns["difference to the reference"][1] == "reference"


def test_pairs_that_are_all_alike_claim_no_certainty() -> None:
    lines = summarise_lines([result("one", 1, [False, False]), result("two", 1, [False, False])])
    columns = {column.title: column.cells for column in make_columns(lines, lines[0])}
    assert columns["difference to the reference"][1] == "no pair differs"
    assert columns["quality ratio"][0] == "0.00 (0.00 to 0.66)"


def test_the_studys_table_stands_beside_ours_with_its_source() -> None:
    lines = summarise_lines([result("50% & more", 1, [True])])
    columns = make_columns(lines, lines[0])
    text = markdown("Mine", columns, ["A note."])
    assert "Master's thesis, Barcelona School of Economics, 2024" in text
    assert "| LoRA | 3.23 MB | 12 h | low |" in text
    assert "0.35 (95% interval 0.23 to 0.52)" in text
    tex = latex("Mine", columns, ["A note."])
    assert r"50\% \& more & " in tex
    assert "Master's thesis" in tex
    assert tex.count(r"\begin{table}") == tex.count(r"\end{table}") >= 2


def test_curves_are_means_over_runs_and_say_where_they_diverge(tmp_path: Path) -> None:
    logs = {"first": ["0.5", "0.25"], "second": ["1.5", "NaN"]}
    runs = []
    for name, (one, two) in logs.items():
        (tmp_path / name).mkdir()
        lines = f'{{"step": 10, "loss": {one}}}\n{{"step": 20, "loss": {two}}}\n'
        (tmp_path / name / LOG_FILE).write_text(lines)
        runs.append(result("row", 1, [True]).run.model_copy(update={"folder": tmp_path / name}))
    (curves,) = row_curves(runs)
    assert (curves.label, curves.num_runs, curves.diverged_at) == ("row", 2, 20)
    assert curves.uri.startswith("data:image/svg+xml")
    rows = losses_csv(runs).splitlines()
    assert rows[1] == "hero-1,row,0,10,loss,0.5"
    assert len(rows) == 5
