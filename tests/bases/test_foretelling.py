"""The cache that foretells, on each family: what it passes over, and what it must not change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from tests.bases.toys import FAMILIES, at_toy_size, make_toy
from understudy.bases.caching import FIRST_STEPS
from understudy.bases.opening import open_base
from understudy.domain import Picture, Scene, Sketch
from understudy.events import ignore
from understudy.methods.hastening import hasten, plan_drawing
from understudy.methods.painting import PipelinePainter
from understudy.recipes import DrawSettings
from understudy.runs import Plan

PLAN = Plan(device="cpu", precision="fp32", threads=1)
STEPS = 7
SCENES = [Scene("a picture of a girl", 1, "a boy"), Scene("a picture of a boy", 2, "a girl")]
ALL, SOME = 1, 4
"""Of so many steps one is computed."""
COMPUTED = {ALL: STEPS, SOME: FIRST_STEPS + 1}
"""The first three, and of four that follow the second."""
NEAR = 10
"""Of 255, on average over all pixels."""


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with at_toy_size():
        yield make_toy(request.param, tmp_path_factory.mktemp("bases") / request.param)


def settings(interval: int | None) -> DrawSettings:
    asked = {} if interval is None else {"cache": "taylor", "cache_interval": interval}
    return DrawSettings.model_validate({"steps": STEPS, "guidance": 3.0, **asked})


def open_painter(folder: Path, asked: DrawSettings) -> PipelinePainter:
    base = open_base(folder, plan_drawing(PLAN, folder, asked.faster))
    hastened = hasten(base, str(folder), asked.faster, ignore)
    return PipelinePainter(base, lambda prompt: prompt, {}, hastened=hastened)


def count(layer: nn.Module, heard: list[None]) -> None:
    """Note each time that a layer within one that can be passed over is computed."""
    inner = [one for one in layer.modules() if isinstance(one, nn.Linear | nn.Conv2d)]
    inner[0].register_forward_hook(lambda *rest: heard.append(None))


def draw(folder: Path, interval: int | None) -> tuple[list[Picture], int]:
    """Both scenes, and how often the first costly layer was computed for them."""
    asked, heard = settings(interval), list[None]()
    painter = open_painter(folder, asked)
    count(painter.base.foretold_layers()[0], heard)
    return list(painter(SCENES, asked)), len(heard)


def test_steps_are_foretold_and_pictures_stay_near(folder: Path) -> None:
    (plain, all_calls), (same, _), (near, calls) = (draw(folder, one) for one in (None, ALL, SOME))
    assert all_calls % STEPS == 0
    assert calls == all_calls // STEPS * COMPUTED[SOME]
    for one, other in zip(plain, same, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
    for one, other in zip(plain, near, strict=True):
        assert 0 < np.abs(one.pixels.astype(float) - other.pixels).mean() < NEAR
    assert [one[0].record.get("cache") for one in (plain, same, near)] == [
        None,
        "taylor, 1 of 1",
        "taylor, 1 of 4",
    ]


def test_a_picture_does_not_depend_on_what_was_drawn_before_and_it_redraws(folder: Path) -> None:
    """A painter that has drawn gives what a fresh one gives; what is left of the steps is foretold, too."""
    asked = settings(SOME)
    painter = open_painter(folder, asked)
    list(painter(SCENES[:1], asked))
    side = painter.base.size_px
    sketch = Sketch(np.full((side, side, 3), 200, np.uint8), 1.0)
    (used,) = painter(SCENES[1:], asked, sketch)
    (fresh,) = open_painter(folder, asked)(SCENES[1:], asked, sketch)
    (whole,) = open_painter(folder, settings(None))(SCENES[1:], settings(None), sketch)
    assert np.array_equal(used.pixels, fresh.pixels)
    assert not np.array_equal(used.pixels, whole.pixels)
