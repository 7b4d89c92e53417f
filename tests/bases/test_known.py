"""The catalogue of known bases, and what they are estimated to take, beside what others measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import nn

from benchmarks.base_figures import GIB, count_parameters, peak_gib
from benchmarks.base_shapes import PARTS
from understudy.bases.choosing import sizes
from understudy.bases.choosing.known import KNOWN, KnownBase, find_known
from understudy.bases.choosing.memory import (
    DRAWING_PLANS,
    LEARNING_PLANS,
    LearningPlan,
    download_gb,
    estimate_drawing,
    forecast_learning,
    list_drawing_plans,
)
from understudy.bases.fetching.packaged import PACKAGED
from understudy.bases.layouts import Family
from understudy.bases.opening import find_kind
from understudy.recipes import PUPPET

DOCS = Path(__file__).parents[2] / "docs" / "bases.md"
WHOLE, CHECKPOINTED = LearningPlan("bf16", "none"), LearningPlan("bf16", "whole")


def test_names_are_one_of_a_kind_and_found_in_any_letters() -> None:
    names = [base.name for base in KNOWN]
    repositories = [base.repository for base in KNOWN if base.repository]
    assert len(set(names)) == len(names)
    assert len(set(repositories)) == len(repositories)
    assert {base.family for base in KNOWN} == set(get_args(Family))
    assert set(PACKAGED) == {base.name for base in KNOWN if not base.repository} == {PUPPET}
    assert find_known("KLEIN") is find_known("black-forest-labs/flux.2-klein-BASE-4b") is not None
    assert find_known("nothing") is None
    assert find_known("?") is None


@pytest.mark.parametrize("base", [one for one in KNOWN if one.repository], ids=lambda base: base.name)
def test_who_is_said_to_draw_from_references_can(base: KnownBase) -> None:
    assert base.draws_from_references == (find_kind(base.family).max_references > 0)


@pytest.mark.parametrize("base", KNOWN, ids=lambda base: base.name)
def test_every_base_says_what_an_artist_asks(base: KnownBase) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", base.name)
    assert base.strengths.endswith(".")
    assert base.strengths.count(". ") == 0
    assert base.licence.url.startswith("https://")
    assert base.licence.commercial != "conditions" or base.licence.says
    assert base.steps >= 1
    assert base.learns == (base.steps > 8)  # what draws in few steps loses that by learning
    assert f"`{base.name}`" in DOCS.read_text()
    assert base.repository in DOCS.read_text()


@pytest.mark.parametrize("name", ["PUPPET", "SD1", "SDXL", "KLEIN_4B", "ZIMAGE"])
def test_sizes_are_what_the_published_configs_give(name: str) -> None:
    parts, written = PARTS[name], getattr(sizes, name)
    with torch.device("meta"):
        denoiser, encoders, vae = parts.denoiser(), [make() for make in parts.encoders], parts.vae()
    given = [count_parameters(modules) for modules in ([denoiser], encoders, [vae])]
    assert given == [f"{one:.4f}" for one in (written.denoiser, written.encoders, written.vae)]
    assert parts.side_px == written.side_px


def test_peak_of_a_step_is_what_is_alive_at_once() -> None:
    """Two layers of 1,000 x 1,000 on 500 rows in bf16; values of fp32 count double."""
    with torch.device("meta"):
        layers = nn.Sequential(nn.Linear(1000, 1000, bias=False), nn.Linear(1000, 1000, bias=False))
    layers.to(torch.bfloat16)
    rows = torch.empty(500, 1000, dtype=torch.bfloat16, device="meta")
    once = rows.numel() * 2
    drawing = peak_gib(layers, lambda module: module(rows)) * GIB
    assert drawing == pytest.approx(2 * once)  # what a layer gets and what it gives


# What the same parts weigh on the Hub in half precision (docs/bases.md), in GB.
ON_THE_HUB = [
    (sizes.SDXL.denoiser, 5.14),
    (sizes.SD35_MEDIUM.denoiser, 4.94),
    (sizes.SD35_LARGE.denoiser, 9.99 + 6.31),
    (sizes.KLEIN_4B.encoders, 8.05),
    (sizes.QWEN.denoiser, 40.86),
]


@pytest.mark.parametrize(("billions", "gb"), ON_THE_HUB)
def test_parts_are_as_large_as_their_files(billions: float, gb: float) -> None:
    assert billions * 2 == pytest.approx(gb, rel=0.004)


def test_whole_repository_is_as_large_as_on_the_hub() -> None:
    assert download_gb(sizes.QWEN) == pytest.approx(57.7, rel=0.002)


# SimpleTuner's documentation/experimental/SEGMENTED_CHECKPOINTING.md: H100, GiB, batch 1, adapters. It
# computes in autocast, the planner's steps do not and take less: docs/memory.md.
MEASURED = [
    (sizes.SDXL, CHECKPOINTED, 6.53),
    (sizes.SDXL, WHOLE, 13.03),
    (sizes.SD1, CHECKPOINTED, 1.98),
    (sizes.SD1, WHOLE, 2.87),
    (sizes.ZIMAGE, CHECKPOINTED, 12.87),
]


@pytest.mark.parametrize(("size", "plan", "gib"), MEASURED)
def test_forecasts_are_near_what_others_measured(size: sizes.Size, plan: LearningPlan, gib: float) -> None:
    assert 0.7 * gib < forecast_learning(size, plan) < 1.1 * gib


@pytest.mark.parametrize("base", KNOWN, ids=lambda base: base.name)
def test_more_frugal_plans_take_less(base: KnownBase) -> None:
    learning = {plan: forecast_learning(base.size, plan) for plan in LEARNING_PLANS}
    drawing = [estimate_drawing(base.size, plan) for plan in list_drawing_plans(base.family)]
    for weights in ("bf16", "int8", "nf4"):
        held = [gib for plan, gib in learning.items() if plan.weights == weights and not plan.by_blocks]
        assert held == sorted(held, reverse=True)
    assert min(learning.values()) == learning[LEARNING_PLANS[-1]]
    assert drawing == sorted(drawing, reverse=True)
    assert min(*learning.values(), *drawing) > 0


def test_larger_pictures_take_more_to_draw() -> None:
    plan = DRAWING_PLANS[0]
    assert estimate_drawing(sizes.SDXL, plan, 2048) > estimate_drawing(sizes.SDXL, plan)


def test_no_name_is_no_base() -> None:
    assert find_known("") is None
