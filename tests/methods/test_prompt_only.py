"""Wordings are tried, the best is kept and drawn with, and nothing is tried twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.killing import Killed
from understudy.domain import Character, Picture, Scene, UserError
from understudy.methods import learn, open_painter
from understudy.methods.prompt_only import Trial
from understudy.recipes import DrawSettings, PromptOnly, place_wording
from understudy.runs import Run, open_run
from understudy.trials import WORDINGS_FILE, Tried, read_wordings

FAST = DrawSettings(steps=1)
SCORES = {"a girl": 0.1, "a cartoon of a red girl": 0.7, "a red girl": 0.4}


@dataclass
class Judge:
    """Likes wordings as `SCORES` says, and may be killed before it says so."""

    seen: list[tuple[str, ...]] = field(default_factory=list)
    killed_after: int = 99

    def score(self, pictures: Sequence[Picture], character: Character) -> float:
        if len(self.seen) == self.killed_after:
            raise Killed
        self.seen.append(tuple(picture.record["prompt_as_read"] for picture in pictures))
        return list(SCORES.values())[len(self.seen) - 1]

    def trial(self) -> Trial:
        return Trial(suggest, self.score)


def suggest(character: Character, recipe: PromptOnly, tried: Sequence[Tried]) -> list[str]:
    """One after the other."""
    return list(SCORES)[len(tried) : len(tried) + 1]


def recipe_on(base: Path) -> PromptOnly:
    return PromptOnly(base=str(base), trial_pictures=2, trial_steps=1)


def read_by(run: Run, prompt: str) -> str:
    with open_painter(run, device="cpu") as painter:
        record = next(painter([Scene(prompt)], FAST)).record
    assert record["wording"] == read_wordings(run).chosen
    return record["prompt_as_read"]


def test_the_best_wording_is_kept_and_recorded(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    judge = Judge()
    run = learn(pip, recipe_on(toy_base), tmp_path / "run", device="cpu", trial=judge.trial())
    found = read_wordings(run)
    assert [(one.wording, one.score) for one in found.tried] == list(SCORES.items())
    assert found.chosen == "a cartoon of a red girl"
    assert judge.seen[1] == tuple(
        f"a cartoon of a red girl {scene}" for scene in ("standing, front view", "smiling, front view")
    )
    assert read_by(run, "a picture of Pip waving") == "a cartoon of a red girl waving"
    assert read_by(run, "Pip, sad") == "a red girl, sad"
    # The same command again tries nothing again.
    learn(pip, recipe_on(toy_base), tmp_path / "run", device="cpu", trial=judge.trial())
    assert len(judge.seen) == len(SCORES)


def test_a_killed_trial_goes_on_and_ends_alike(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    whole = learn(pip, recipe_on(toy_base), tmp_path / "whole", device="cpu", trial=Judge().trial())
    judge = Judge(killed_after=2)
    with pytest.raises(Killed):
        learn(pip, recipe_on(toy_base), tmp_path / "run", device="cpu", trial=judge.trial())
    assert read_wordings(open_run(tmp_path / "run")).chosen is None
    with pytest.raises(UserError, match="Nothing is learned"), open_painter(tmp_path / "run"):
        pass
    judge.killed_after = 99
    run = learn(pip, recipe_on(toy_base), tmp_path / "run", device="cpu", trial=judge.trial())
    assert len(judge.seen) == len(SCORES)
    assert read_wordings(run) == read_wordings(whole)


def test_one_description_is_tried_by_nobody(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    recipe = PromptOnly(base=str(toy_base), description="a red block")
    judge = Judge()
    run = learn(pip, recipe, tmp_path / "run", device="cpu", trial=judge.trial())
    assert judge.seen == []
    with open_painter(run, device="cpu") as painter:
        assert next(painter([Scene("Pip, sad")], FAST)).record["prompt_as_read"] == "a red block, sad"


def test_a_damaged_record_is_one_sentence(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    run = learn(pip, recipe_on(toy_base), tmp_path / "run", device="cpu", trial=Judge().trial())
    (run.folder / WORDINGS_FILE).write_text(json.dumps({"tried": 3}))
    with pytest.raises(UserError, match="cannot be read"), open_painter(run, device="cpu"):
        pass


def test_a_wording_may_say_what_kind_of_picture_it_is() -> None:
    cartoon = "a cartoon of a girl with red hair"
    assert place_wording("a picture of Mo, sad", "Mo", cartoon) == f"{cartoon}, sad"
    assert place_wording("A picture of mo", "Mo", cartoon) == cartoon
    assert place_wording("a portrait of Mo", "Mo", cartoon) == "a portrait of a girl with red hair"
    assert place_wording("a picture of Momo", "Mo", cartoon) == "a picture of Momo"
    assert place_wording("a picture of Mo", "Mo", "a girl") == "a picture of a girl"


def test_templates_with_other_fields_and_two_ways_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="hair"):
        PromptOnly(descriptions=("a girl with {hair}",))
    with pytest.raises(ValueError, match="either"):
        PromptOnly(description="a girl", descriptions=("a boy",))
