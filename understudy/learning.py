"""Learning as users do it: with the judge at hand where a method asks for one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from understudy.domain import Character, Picture
from understudy.events import Notify, ignore
from understudy.judges.puppet import PuppetJudge
from understudy.methods import learn as learn_method
from understudy.methods.prompt_only import Trial
from understudy.methods.reviewing import Review, never_stop
from understudy.recipes import LearnsWord, Recipe
from understudy.runs import Run, StrPath
from understudy.wordings import first_look, name_colours, suggest

LEAST_LIKE = 0.002
"""What is less alike than this is no worse than that."""


def learn(
    character: Character,
    recipe: Recipe,
    run: StrPath,
    review: Review = never_stop,
    notify: Notify = ignore,
    device: str = "auto",
    grid_intensity: float | None = None,
) -> Run:
    """As `understudy.methods.learn`; the embedded judge chooses between the wordings of prompt-only, and the
    drawings' colours say with what a learned word begins."""
    described = ""
    if isinstance(recipe, LearnsWord) and recipe.begins_described:
        described = first_look(character.noun, name_colours(character.drawings)).text
    trial = Trial(suggest, score)
    return learn_method(character, recipe, run, review, notify, device, grid_intensity, trial, described)


def score(pictures: Sequence[Picture], character: Character) -> float:
    """The pictures' mean log-odds of the same character; one that shows something else counts as unlike.

    Of so few pictures the share that passes, or the mean likeness, says what one lucky picture says.
    """
    odds = []
    for verdict in PuppetJudge()(pictures, character):
        is_right = all(verdict.attributes.values())
        odds.append(log_odds(verdict.likeness) if is_right else math.log(LEAST_LIKE))
    return sum(odds) / len(odds)


def log_odds(likeness: float) -> float:
    """Of the same character, by the judge's score, which is not believed to be all but certain."""
    likeness = min(max(likeness, LEAST_LIKE), 1 - LEAST_LIKE)
    return math.log(likeness / (1 - likeness))
