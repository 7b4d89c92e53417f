"""The first-block cache on each family's transformer: what it passes over, and what it must not change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from tests.bases.toys import at_toy_size, make_toy
from understudy.bases import caching
from understudy.bases.caching import Turns
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.domain import Scene, Sketch, UserError
from understudy.events import ignore
from understudy.methods.hastening import hasten, plan_drawing
from understudy.methods.painting import PipelinePainter
from understudy.recipes import DrawSettings, Faster
from understudy.runs import Plan

PLAN = Plan(device="cpu", precision="fp32", threads=1)
STEPS = 6
SCENES = [Scene("a picture of a girl", 1, "a boy"), Scene("a picture of a boy", 2, "a girl")]
TRANSFORMERS: tuple[Family, ...] = ("sd3", "flux", "kontext", "flux2", "qwen", "qwen-edit", "zimage")
NEVER, ALWAYS = 0.0, 1e9


@pytest.fixture(scope="module", params=TRANSFORMERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with at_toy_size():
        yield make_toy(request.param, tmp_path_factory.mktemp("bases") / request.param)


def settings(threshold: float | None, batch: int = 4) -> DrawSettings:
    asked = {} if threshold is None else {"cache": "first-block", "cache_threshold": threshold}
    return DrawSettings.model_validate({"steps": STEPS, "guidance": 3.0, "batch": batch, **asked})


def open_painter(folder: Path, faster: Faster) -> PipelinePainter:
    base = open_base(folder, PLAN)
    hastened = hasten(base, str(folder), faster, ignore)
    return PipelinePainter(base, lambda prompt: prompt, {}, hastened=hastened)


def count_last_block(painter: PipelinePainter) -> list[int]:
    """How often the last block that can be passed over is computed, as it will be."""
    block = painter.base.cached_blocks()[-1]
    layer = next(module for module in block.modules() if isinstance(module, nn.Linear))
    count = [0]

    def note(*rest: object) -> None:
        count[0] += 1

    layer.register_forward_hook(note)
    return count


def test_a_threshold_of_nothing_changes_nothing(folder: Path) -> None:
    plain, cached = settings(None, batch=1), settings(NEVER)
    before = list(open_painter(folder, plain.faster)(SCENES, plain))
    after = list(open_painter(folder, cached.faster)(SCENES, cached))
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
    assert after[0].record["cache"] == "first-block, 0"
    assert "cache" not in before[0].record


def test_blocks_are_passed_over_after_the_first_step_of_each_picture(folder: Path) -> None:
    """With the prompt and without it each keep their own: where a pipeline asks twice, both are computed."""
    counts = []
    for asked in (settings(None, batch=1), settings(ALWAYS)):
        painter = open_painter(folder, asked.faster)
        count = count_last_block(painter)
        list(painter(SCENES, asked))
        counts.append(count[0])
    plain, cached = counts
    assert plain == STEPS * cached
    assert cached in (2, 4)


def test_a_picture_does_not_depend_on_what_was_drawn_before_or_with_it(folder: Path) -> None:
    asked = settings(ALWAYS)
    _, second = open_painter(folder, asked.faster)(SCENES, asked)
    (alone,) = open_painter(folder, asked.faster)(SCENES[1:], asked)
    assert np.array_equal(second.pixels, alone.pixels)
    (exact,) = open_painter(folder, settings(None).faster)(SCENES[1:], settings(None))
    assert not np.array_equal(second.pixels, exact.pixels)


def test_which_call_of_a_step_it_is_is_asked_of_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The meta device stands for a card: no time can be read from it."""
    heard: list[str] = []
    monkeypatch.setattr(caching, "_set_cache_context", lambda denoiser, context: heard.append(context.name))
    turns, denoiser, time = Turns(), nn.Identity(), torch.empty(1, device="meta")
    denoiser.register_forward_pre_hook(turns.hear)
    for steps in ((None, None, 1, 1, 2), (None, 1, 1)):
        turns.begin(scheduler := SimpleNamespace(step_index=None))
        for step in steps:
            scheduler.step_index = step
            denoiser(time)
    assert "".join(heard) == "01010" + "001"


def test_it_can_be_asked_for(folder: Path) -> None:
    assert plan_drawing(PLAN, folder, settings(ALWAYS).faster) == PLAN


def test_it_redraws(folder: Path) -> None:
    asked = settings(NEVER)
    side = open_base(folder, PLAN).size_px
    sketch = Sketch(np.full((side, side, 3), 200, np.uint8), 0.5)
    plain = settings(None, batch=1)
    (before,) = open_painter(folder, plain.faster)(SCENES[:1], plain, sketch)
    (after,) = open_painter(folder, asked.faster)(SCENES[:1], asked, sketch)
    assert np.array_equal(before.pixels, after.pixels)


def test_a_painter_draws_only_as_it_was_opened(toy_base: Path) -> None:
    with pytest.raises(ValueError, match="was opened with"):
        next(open_painter(toy_base, Faster())(SCENES[:1], settings(ALWAYS)))


def test_a_u_net_is_refused_in_one_sentence(toy_base: Path) -> None:
    with pytest.raises(UserError, match="U-Net: take --cache taylor, or leave --cache out") as mistake:
        plan_drawing(PLAN, toy_base, settings(ALWAYS).faster)
    assert "\n" not in str(mistake.value)
