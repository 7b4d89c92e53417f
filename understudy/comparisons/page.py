"""The page of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from understudy.comparisons import study
from understudy.comparisons.columns import IGNORING, Column, difference
from understudy.comparisons.gallery import Shelf, word_of
from understudy.comparisons.losses import row_curves
from understudy.comparisons.plan import Plan
from understudy.comparisons.summary import Line, all_failed, compare_pair
from understudy.domain import Character
from understudy.events import Notify, Step
from understudy.footprint import WORLD_GRID_INTENSITY
from understudy.reports.images import data_uri, drawing_uri, thumbnail_uri
from understudy.reports.page import render, scene
from understudy.reports.shares import faults

THUMBNAIL_PX = 128
MOST_IN_MATRIX = 12
"""More lines do not fit beside each other; `differences.csv` has them all."""


def notes_on(plan: Plan, lines: Sequence[Line], reference: Line | None) -> list[str]:
    """What must be said beside the table, each in a sentence or two."""
    num = len(plan.comparison.characters)
    clusters = f"the {num} characters" if num > 1 else "the prompts"
    own = "Wilson's, for there is one character"
    if num > 1:
        own = f"a bootstrap over {clusters}, and Wilson's where all pictures pass or none does"
    notes = [
        "The quality ratio is the share of pictures that show the same character, do all that was asked for "
        f"and have nothing missing or melted. Intervals are 95%: {own}."
        + (" So few characters make them rough." if 1 < num < 6 else "")
    ]
    if reference is not None and len(lines) > 1:
        chosen = "named in the comparison" if plan.comparison.reference else "the best one"
        notes.append(
            f"Differences in quality ratio are to {reference.label} ({chosen}), in pairs of the same "
            f"character, prompt and seed, with a bootstrap over {clusters}; those whose interval holds 0 may "
            "be chance."
        )
        if not plan.comparison.reference and len(lines) > 2:
            notes.append("The best of many lines looks better than it is: it was chosen by these pictures.")
    if any(line.words_ignored for line in lines):
        notes.append(
            f"{IGNORING} This method ignores the words, so nothing that was asked for is right and no "
            "picture passes. Where most of the nearest drawing lies in them again, it has learned drawings "
            "by heart."
        )
    if any("energy_wh" in line.means for line in lines):
        given = plan.comparison.grid_intensity
        grid = (
            f"{WORLD_GRID_INTENSITY:.0f} g a kWh, the world's average"
            if given is None
            else f"{given:g} g a kWh"
        )
        notes.append(
            "Electricity that is estimated comes from busy seconds times typical watts. CO2e is counted with "
            f"{grid}."
        )
    if any(line.seed_deviation is not None for line in lines):
        notes.append("Between learning seeds: the standard deviation of the quality ratio from seed to seed.")
    notes += [f"Without figures, and in no mean: {sentence}" for sentence in all_failed(lines)]
    return notes


def render_page(
    plan: Plan,
    lines: Sequence[Line],
    reference: Line | None,
    columns: Sequence[Column],
    notes: Sequence[str],
    shelves: Sequence[Shelf],
    moving: Mapping[str, bytes],
    notify: Notify,
) -> bytes:
    """The page, which needs nothing from outside."""
    shown = []
    for shelf in shelves:
        shown.append(_show(shelf, moving.get(shelf.folder)))
        notify(Step("writing the page", len(shown), len(shelves)))
    context = {
        "title": plan.comparison.title,
        "summary": _summary(plan, lines),
        "lines": lines,
        "reference": reference,
        "tables": [
            [columns[0], *(one for one in columns[1:] if one.is_cost == cost)] for cost in (False, True)
        ],
        "notes": notes,
        "matrix": _matrix(lines),
        "curves": row_curves(plan.runs),
        "shelves": shown,
        "study": {"heads": study.HEADS, "rows": study.ROWS, "source": study.SOURCE},
        "study_notes": (study.BEST, study.OTHERWISE),
        "settings": plan.comparison.draw.model_dump(exclude_none=True),
        "seed": plan.comparison.seed,
        "pictures": plan.comparison.pictures,
        "recipes": _recipes(plan),
        "unasked": [str(path.relative_to(plan.out)) for path in plan.no_longer_asked()],
    }
    return render("comparison.html", context)


def _summary(plan: Plan, lines: Sequence[Line]) -> str:
    names = [character.name for character in plan.characters.values()]
    who = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    asked = plan.comparison
    return (
        f"{len(lines)} lines, each learned from the same drawings of {who} and drawn in the same "
        f"{len(asked.prompts)} scenes, {asked.pictures} of each, with the same seeds: "
        f"{sum(line.n for line in lines)} pictures."
    )


def _matrix(lines: Sequence[Line]) -> list[tuple[str, list[str]]]:
    """For each line its difference to every other one; empty where they are too many, or too few."""
    judged = [line for line in lines if line.n]
    if not 2 < len(judged) <= MOST_IN_MATRIX:
        return []

    def cell(first: Line, second: Line) -> str:
        found = None if first is second else compare_pair(first, second)
        return "" if found is None else difference(found)

    return [(one.label, [cell(one, other) for other in judged]) for one in judged]


def _show(shelf: Shelf, moving: bytes | None) -> dict[str, object]:
    return {
        "name": shelf.character.name,
        "drawings": _drawings(shelf.character),
        "scenes": [scene(prompt) for prompt in shelf.prompts],
        "truths": [drawing_uri(one, THUMBNAIL_PX) if one is not None else "" for one in shelf.truths]
        if shelf.has_truth
        else [],
        "lines": [
            (
                label,
                [
                    {
                        "uri": thumbnail_uri(one.file, THUMBNAIL_PX),
                        "passed": one.verdict.passed,
                        "why": "; ".join(faults(one.verdict, shelf.character.name)) or word_of(one),
                    }
                    if one
                    else None
                    for one in pictures
                ],
            )
            for label, pictures in shelf.lines
        ],
        "moving": data_uri(moving, "image/webp") if moving else "",
    }


def _drawings(character: Character) -> list[tuple[str, str]]:
    return [
        (drawing_uri(one.pixels, THUMBNAIL_PX), one.caption or one.path.name) for one in character.drawings
    ]


def _recipes(plan: Plan) -> list[tuple[str, str]]:
    """Each row's knobs that are not the method's own defaults."""
    found: dict[str, str] = {}
    for run in plan.runs:
        own = type(run.recipe)().model_dump()
        said = {name: value for name, value in run.recipe.model_dump().items() if value != own[name]}
        said.pop("seed", None)
        knobs = ", ".join(f"{name} = {value}" for name, value in said.items()) or "as recommended"
        found.setdefault(run.row.title, f"{run.row.method}: {knobs}")
    return list(found.items())
