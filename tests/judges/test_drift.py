"""Drift is what changes between two painters; the painters and the judge's eyes here are a test's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from understudy.domain import Attributes, Picture, Pixels, Scene
from understudy.events import Event, Step
from understudy.judges.drift import UNRELATED_PROMPTS, judge_drift
from understudy.judges.puppet import Reading
from understudy.methods import Painter
from understudy.recipes import DrawSettings
from understudy.world.captions import parse
from understudy.world.heroes import wished


@dataclass
class Greys:
    """Draws every scene in the grey of its number, or all in one."""

    only: int | None = None
    follows_text: bool = True
    asked: list[Scene] = field(default_factory=list)

    def __call__(self, scenes: Sequence[Scene], settings: DrawSettings) -> Iterator[Picture]:
        for number, scene in enumerate(scenes):
            self.asked.append(scene)
            grey = number if self.only is None else self.only
            yield Picture(scene, np.full((8, 8, 3), grey, np.uint8))

    def open(self) -> AbstractContextManager[Painter]:
        return nullcontext(self)


class Eyes:
    """Sees another direction in every grey, and what the prompt of its number asks for."""

    def embed(self, pixels: Sequence[Pixels]) -> NDArray[np.float32]:
        return np.eye(8, dtype=np.float32)[[each[0, 0, 0] for each in pixels]]

    def read(self, pixels: Sequence[Pixels]) -> list[Reading]:
        wishes = [parse(UNRELATED_PROMPTS[each[0, 0, 0]]).attributes for each in pixels]
        return [Reading(Attributes(**{**wished(w).said(), "kind": w.kind}), 0.0) for w in wishes]


def drift_of(learned: Greys, base: Greys, name: str = "Mo", seed: int = 0) -> dict[str, float]:
    found = judge_drift(learned.open, base.open, Eyes(), name, DrawSettings(), seed)
    return {key: measure.value for key, measure in found.items()}


def test_the_prompts_can_be_judged_and_name_every_kind() -> None:
    parsed = [parse(prompt) for prompt in UNRELATED_PROMPTS]
    assert not any(one.not_judged for one in parsed)
    assert {one.attributes.kind for one in parsed} == {"girl", "boy", "cat", "robot"}


def test_nothing_learned_is_no_drift() -> None:
    learned, base = Greys(), Greys()
    assert drift_of(learned, base, seed=5) == {"drift": 0.0, "unrelated_followed": 1.0}
    assert learned.asked == base.asked
    assert {scene.seed for scene in base.asked} == {5}


def test_what_became_one_picture_has_drifted() -> None:
    found = drift_of(Greys(only=0), Greys())
    assert found["drift"] == pytest.approx(7 / 8)
    assert 0 < found["unrelated_followed"] < 0.5


def test_a_prompt_that_says_the_name_is_related() -> None:
    base = Greys()
    drift_of(Greys(), base, name="Waving")
    assert len(base.asked) == len(UNRELATED_PROMPTS) - 1


def test_a_painter_that_ignores_words_has_no_unrelated_prompts() -> None:
    base = Greys()
    assert drift_of(Greys(follows_text=False), base) == {}
    assert base.asked == []


def test_progress_is_told() -> None:
    events: list[Event] = []
    judge_drift(Greys().open, Greys().open, Eyes(), "Mo", DrawSettings(), notify=events.append)
    assert events[-1] == Step("judging drift", 16, 16)
