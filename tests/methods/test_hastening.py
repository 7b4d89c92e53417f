"""Few-step LoRA beside what was learned, and LoRA fused or not: as plain diffusers does it by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest

from tests.bases.few_steps import make_few_step, write_random
from tests.bases.plain_drawing import difference, draw_plainly
from tests.bases.toys import at_toy_size, make_toy
from tests.toy_character import make_character, make_recipe, make_recipe_from_nothing
from understudy.bases.base import Base
from understudy.bases.few_step import FEW_STEP, FewStep
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.domain import Picture, Pixels, Scene, UserError
from understudy.methods import learn, open_painter
from understudy.methods.adapters import WEIGHTS_FILE, load_adapter
from understudy.methods.hastening import add_few_step, fuses
from understudy.methods.painting import PipelinePainter
from understudy.recipes import Adapter, DrawSettings, Faster, Gan
from understudy.runs import Plan

PLAN = Plan(device="cpu", precision="fp32", threads=1)
WITHOUT_ANY: tuple[Family, ...] = ("sd3", "kontext", "flux2")
FILES = tuple(FewStep("file", family, "", "", "mine.safetensors", None, 4, 1.0) for family in WITHOUT_ANY)
ROWS = (*FEW_STEP, *FILES)
IDS = [f"{row.family}-{row.name}" for row in ROWS]
SCENE = Scene("Pip", 3)
SAME, OTHER = 0.1, 0.25
"""Of 255, on average over all pixels: what rounding may change, and what another picture is."""


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Family, Path]]:
    folder = tmp_path_factory.mktemp("bases")
    with at_toy_size():
        yield {family: make_toy(family, folder / family) for family in {row.family for row in ROWS}}


def by_hand(pipe: Any, row: FewStep, base: Base, prompt: str) -> Pixels:
    """What plain diffusers draws with a pipeline that has all its adapters."""
    if row.sampler is not None:
        kind = getattr(diffusers, row.sampler.kind)
        pipe.scheduler = kind.from_config(pipe.scheduler.config, **row.sampler.options)
    return draw_plainly(pipe, base, prompt, SCENE.seed, row.steps, row.guidance)


def draw_hastened(base: Base, row: FewStep) -> Picture:
    """What is drawn with a base that has all its adapters."""
    settings = DrawSettings(steps=row.steps, guidance=row.guidance)
    return next(PipelinePainter(base, lambda prompt: prompt, {})([SCENE], settings))


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_each_row_draws_as_plain_diffusers_does(
    row: FewStep, toys: dict[Family, Path], tmp_path: Path
) -> None:
    """Fused and beside the weights."""
    other = open_base(toys[row.family], PLAN)
    path = make_few_step(other, tmp_path / row.file)
    pictures = []
    for fuse in (True, False):
        base = open_base(toys[row.family], PLAN)
        add_few_step(base, row, path, fuse)
        pictures.append(draw_hastened(base, row))
        if row.sampler is not None:
            assert pictures[-1].record["scheduler"] == row.sampler.kind
            config = base.drawing_pipe(None).scheduler.config
            assert {name: config[name] for name in row.sampler.options} == row.sampler.options
    pipe = other.drawing_pipe(None)
    without = by_hand(other.drawing_pipe(None), row, other, SCENE.prompt)
    pipe.load_lora_weights(tmp_path, weight_name=path.name, adapter_name="fast")
    pipe.set_adapters("fast", row.strength)
    by_diffusers = by_hand(pipe, row, other, SCENE.prompt)
    for picture in pictures:
        assert difference(by_diffusers, picture.pixels) <= SAME
        assert difference(without, picture.pixels) > OTHER


@pytest.mark.parametrize("family", ["sdxl", "flux"])
def test_it_lies_beside_what_was_learned(family: Family, toys: dict[Family, Path], tmp_path: Path) -> None:
    """Fused and beside the weights."""
    other = open_base(toys[family], PLAN)
    recipe = make_recipe(toys[family])
    write_random(other, recipe, tmp_path / "pip")
    other = open_base(toys[family], PLAN)
    path = make_few_step(other, tmp_path / "fast" / "mine.safetensors")
    row = FewStep("mine", family, "", "", path.name, None, 6, 1.0, strength=0.5)
    pictures = []
    for fuse in (True, False):
        base = open_base(toys[family], PLAN)
        load_adapter(base, recipe, tmp_path / "pip", fuse)
        add_few_step(base, row, path, fuse)
        pictures.append(draw_hastened(base, row))
    pipe = other.drawing_pipe(None)
    pipe.load_lora_weights(tmp_path / "pip", weight_name=WEIGHTS_FILE, adapter_name="pip")
    pipe.load_lora_weights(path.parent, weight_name=path.name, adapter_name="fast")
    for names, weights, is_it in (
        (["pip", "fast"], [1.0, 0.5], True),
        (["pip"], [1.0], False),
        (["fast"], [0.5], False),
    ):
        pipe.set_adapters(names, weights)
        found = by_hand(pipe, row, other, SCENE.prompt)
        for picture in pictures:
            away = difference(found, picture.pixels)
            assert away <= SAME if is_it else away > OTHER


@pytest.mark.parametrize("fuse", [True, False], ids=["fused", "beside"])
@pytest.mark.parametrize("adapter", ["lora", "dora", "rslora", "lokr", "oft"])
def test_it_lies_beside_adapters_of_all_kinds(
    adapter: Adapter, fuse: bool, toys: dict[Family, Path], tmp_path: Path
) -> None:
    """In its own scheduler's steps, too; where two kinds cannot lie beside each other, that is said."""
    recipe = make_recipe(toys["sd1"], adapter)
    write_random(open_base(toys["sd1"], PLAN), recipe, tmp_path / "pip")
    path = make_few_step(open_base(toys["sd1"], PLAN), tmp_path / "fast" / "mine.safetensors")
    pictures = []
    for is_fast, has_learned in ((True, True), (False, True), (True, False)):
        base = open_base(toys["sd1"], PLAN)
        if has_learned:
            load_adapter(base, recipe, tmp_path / "pip", fuse)
        if is_fast and has_learned and adapter in ("lokr", "oft") and not fuse:
            with pytest.raises(UserError, match="leave --no-fuse and --quantization out"):
                add_few_step(base, FEW_STEP[0], path, fuse)
            return
        if is_fast:
            add_few_step(base, FEW_STEP[0], path, fuse)
        drawn = PipelinePainter(base, lambda prompt: prompt, {})([SCENE], DrawSettings(steps=4, guidance=1.0))
        pictures += [picture.pixels for picture in drawn]
    assert difference(pictures[0], pictures[1]) > OTHER
    assert difference(pictures[0], pictures[2]) > OTHER


def test_a_rank_that_falls_with_noise_falls_beside_it_too(toys: dict[Family, Path], tmp_path: Path) -> None:
    """The few-step LoRA keeps its whole rank, so that without the other's it is the same picture."""
    falling = make_recipe(toys["sd1"]).model_copy(update={"min_rank": 1})
    write_random(open_base(toys["sd1"], PLAN), falling, tmp_path / "pip")
    path = make_few_step(open_base(toys["sd1"], PLAN), tmp_path / "fast" / "mine.safetensors")
    row, faster = FEW_STEP[0], Faster(fast=str(path))
    assert not fuses(faster, falling.follows_noise)
    pictures = []
    for recipe in (falling, falling.model_copy(update={"min_rank": 0})):
        base = open_base(toys["sd1"], PLAN)
        load_adapter(base, recipe, tmp_path / "pip", fuses(faster, recipe.follows_noise))
        add_few_step(base, row, path, fuses(faster))
        drawn = PipelinePainter(base, lambda prompt: prompt, {})([SCENE], DrawSettings(steps=4, guidance=1.0))
        pictures += [picture.pixels for picture in drawn]
    assert difference(*pictures) > OTHER


@pytest.mark.parametrize("adapter", ["lora", "dora", "lokr", "oft"])
def test_fused_or_not_is_the_same_picture(adapter: Adapter, toys: dict[Family, Path], tmp_path: Path) -> None:
    recipe = make_recipe(toys["sd1"], adapter)
    write_random(open_base(toys["sd1"], PLAN), recipe, tmp_path / "pip")
    pictures = []
    for fuse in (True, False):
        base = open_base(toys["sd1"], PLAN)
        load_adapter(base, recipe, tmp_path / "pip", fuse)
        assert bool(base.pipe.num_fused_loras) == fuse
        drawn = PipelinePainter(base, lambda prompt: prompt, {})([SCENE], DrawSettings(steps=4))
        pictures += [picture.pixels for picture in drawn]
    assert difference(*pictures) <= SAME


def test_a_file_of_another_base_is_one_sentence(toys: dict[Family, Path], tmp_path: Path) -> None:
    row = FEW_STEP[0]
    for family in ("sdxl", "flux"):
        path = make_few_step(open_base(toys[family], PLAN), tmp_path / family / "other.safetensors")
        with pytest.raises(UserError, match=r"other\.safetensors is no LoRA for this base") as mistake:
            add_few_step(open_base(toys["sd1"], PLAN), row, path, True)
        assert "\n" not in str(mistake.value)
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match="is no LoRA for this base"):
        add_few_step(open_base(toys["sd1"], PLAN), row, tmp_path / "broken.safetensors", True)


def test_without_a_base_there_is_nothing_to_make_faster(tmp_path: Path) -> None:
    recipe = make_recipe_from_nothing("gan")
    assert isinstance(recipe, Gan)
    run = learn(make_character(), recipe, tmp_path / "run")
    with (
        pytest.raises(UserError, match="leave out what would draw faster"),
        open_painter(run, faster=Faster(fast="lcm")),
    ):
        pass
