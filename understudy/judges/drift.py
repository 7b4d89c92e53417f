"""What learning changed elsewhere: pictures of unrelated prompts, with and without what was learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import combinations
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from understudy.domain import Measure, Pixels, Scene
from understudy.events import Notify, Step, ignore
from understudy.judges.averages import mean_with_interval
from understudy.judges.puppet import Reading
from understudy.judges.quality import wilson
from understudy.methods import Painter
from understudy.recipes import DrawSettings, says_name
from understudy.world.captions import parse

UNRELATED_PROMPTS = (
    "a picture of a girl waving",
    "a picture of a boy running, side view",
    "a picture of a cat sitting",
    "a picture of a robot holding a book",
    "a picture of a sad girl with long hair in the woods",
    "a picture of a boy in front of a castle",
    "a portrait of a laughing cat",
    "a picture of a robot watching the sunset, back view",
)
"""Each kind of the world's twice, and no character's name."""
PHASE = "judging drift"

OpenPainter = Callable[[], AbstractContextManager[Painter]]


class Sight(Protocol):
    """What drift needs of a judge."""

    def embed(self, pixels: Sequence[Pixels]) -> NDArray[np.float32]:
        """Vectors of length 1, alike for pictures that show alike figures."""
        ...

    def read(self, pixels: Sequence[Pixels]) -> list[Reading]:
        """What pictures show."""
        ...


def judge_drift(
    open_learned: OpenPainter,
    open_base: OpenPainter,
    sight: Sight,
    name: str,
    settings: DrawSettings,
    seed: int = 0,
    prompts: Sequence[str] = UNRELATED_PROMPTS,
    notify: Notify = ignore,
) -> dict[str, Measure]:
    """Draw those `prompts` that do not say the character's `name`, before and after learning, and compare.

    `drift` is 1 - cosine in the judge's own space, with the same seeds; `unrelated_followed` is the share of
    the wishes that come out right after learning. Nothing for a painter that ignores the words. Source: the
    drift of PEFT's comparison of methods (huggingface/peft, method_comparison/image-gen), there with DINOv2.
    """
    unrelated = [prompt for prompt in prompts if not says_name(prompt, name)]
    if not unrelated:
        return {}
    scenes = [Scene(prompt, seed) for prompt in unrelated]
    drawn: list[list[Pixels]] = []
    for open_painter in (open_learned, open_base):
        with open_painter() as painter:
            if not painter.follows_text:
                return {}
            drawn.append([])
            for picture in painter(scenes, settings):
                drawn[-1].append(picture.pixels)
                notify(Step(PHASE, sum(map(len, drawn)), 2 * len(scenes)))
    after, before = drawn
    return {**_judge_change(before, after, sight), **_judge_following(unrelated, before, after, sight)}


def _judge_change(before: Sequence[Pixels], after: Sequence[Pixels], sight: Sight) -> dict[str, Measure]:
    base, learned = sight.embed(before), sight.embed(after)
    changes = 1 - (base * learned).sum(axis=1)
    value, low, high = mean_with_interval([[float(change)] for change in changes])
    between = [1 - float(one @ two) for one, two in combinations(base, 2)]
    says = f"Prompts without the character changed by {value:.2f} through learning (0: not at all"
    says += f"; {np.mean(between):.2f}: as much as from prompt to prompt)." if between else ")."
    return {"drift": Measure(value, low, high, len(changes), says)}


def _judge_following(
    prompts: Sequence[str], before: Sequence[Pixels], after: Sequence[Pixels], sight: Sight
) -> dict[str, Measure]:
    first, second = _rights(prompts, before, sight), _rights(prompts, after, sight)
    if not second:
        return {}
    low, high = wilson(sum(second), len(second))
    value = sum(second) / len(second)
    says = (
        f"Prompts without the character come out {value:.0%} as asked for after learning, "
        f"{sum(first) / len(first):.0%} before."
    )
    return {"unrelated_followed": Measure(value, low, high, len(second), says)}


def _rights(prompts: Sequence[str], pixels: Sequence[Pixels], sight: Sight) -> list[bool]:
    """Whether each attribute that the prompts ask for is right."""
    rights = []
    for prompt, reading in zip(prompts, sight.read(pixels), strict=True):
        shown = reading.attributes.said()
        rights += [shown[name] == value for name, value in parse(prompt).attributes.said().items()]
    return rights
