"""A base larger than its device draws layer by layer what it draws whole; the device is a processor here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import accelerate
import numpy as np
import pytest
import torch
from diffusers.pipelines.flux import pipeline_flux_kontext
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus

from tests.bases.few_steps import write_random
from tests.bases.toys import FAMILIES, at_toy_size, make_toy
from tests.toy_character import make_character, make_recipe
from understudy.bases.layouts import Family
from understudy.bases.opening import find_kind, open_base
from understudy.domain import Drawing, Pixels, Scene, Sketch
from understudy.methods.adapters import load_adapter
from understudy.methods.painting import PipelinePainter
from understudy.methods.references import References
from understudy.recipes import DrawSettings, DreamBoothLora
from understudy.runs import Plan, Run

WHOLE = Plan(device="cpu", precision="fp32", threads=1)
# Another device than "cpu" to the pipelines, which offload nothing on that one.
BY_LAYERS = WHOLE.model_copy(update={"device": "cpu:0", "offload": "blocks"})
SETTINGS = DrawSettings(steps=2, guidance=2.0, batch=1)
SMALL = 64
"""Side of the pictures that the pipelines look at here, instead of a megapixel."""
SCENES = (Scene("Pip", 3), Scene("Pip waving", 4, "hands"))


@dataclass(frozen=True)
class Shown(References):
    """One drawing for every scene."""

    def shown(self, scene: Scene, settings: DrawSettings) -> tuple[Drawing, ...]:
        return make_character(1).drawings

    def describe(self, scene: Scene, settings: DrawSettings) -> dict[str, str]:
        return {}


@pytest.fixture(params=[family for family in FAMILIES if not find_kind(family).draws_whole])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    family: Family = request.param
    with at_toy_size():
        yield make_toy(family, tmp_path / family)


@pytest.fixture(autouse=True)
def looking_at_small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_flux_kontext, "PREFERRED_KONTEXT_RESOLUTIONS", [(SMALL, SMALL)])
    for knob in ("CONDITION_IMAGE_SIZE", "VAE_IMAGE_SIZE"):
        monkeypatch.setattr(pipeline_qwenimage_edit_plus, knob, SMALL**2)


@pytest.fixture
def offloaded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The parts whose layers come one by one; diffusers numbers the device, which a processor has not."""
    parts: list[Any] = []
    own = accelerate.cpu_offload

    def offload(part: Any, device: object, **how: Any) -> Any:
        parts.append(part)
        return own(part, torch.device("cpu"), **how)

    monkeypatch.setattr(accelerate, "cpu_offload", offload)
    return parts


def draw(
    folder: Path,
    plan: Plan,
    recipe: DreamBoothLora,
    learned: Path,
    shown: References | None,
    sketch: Sketch | None = None,
) -> Pixels:
    base = open_base(folder, plan)
    load_adapter(base, recipe, learned, True)
    painter = PipelinePainter(base, lambda prompt: prompt, {}, references=shown)
    return np.stack([picture.pixels for picture in painter(SCENES, SETTINGS, sketch)])


def test_it_is_the_same_picture(folder: Path, offloaded: list[Any], tmp_path: Path) -> None:
    recipe, learned = make_recipe(folder), tmp_path / "pip"
    write_random(open_base(folder, WHOLE), recipe, learned)
    can_look = find_kind(folder.name).max_references  # type: ignore[arg-type]
    for shown in (None, Shown(Run(tmp_path)))[: 2 if can_look else 1]:
        offloaded.clear()
        whole = draw(folder, WHOLE, recipe, learned, shown)
        assert not offloaded
        assert np.array_equal(draw(folder, BY_LAYERS, recipe, learned, shown), whole)
        assert offloaded


def test_a_part_is_redrawn_the_same(folder: Path, offloaded: list[Any], tmp_path: Path) -> None:
    """The autoencoder reads the picture, too, where its layers come one by one."""
    recipe, learned = make_recipe(folder), tmp_path / "pip"
    base = open_base(folder, WHOLE)
    write_random(base, recipe, learned)
    pixels = np.random.default_rng(0).integers(0, 256, (base.size_px, base.size_px, 3), np.uint8)
    mask = np.zeros(pixels.shape[:2], np.uint8)
    mask[: base.size_px // 2] = 255
    sketch = Sketch(pixels, 0.6, mask)
    whole = draw(folder, WHOLE, recipe, learned, None, sketch)
    assert np.array_equal(draw(folder, BY_LAYERS, recipe, learned, None, sketch), whole)
    assert offloaded
