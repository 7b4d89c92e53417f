"""Weights in few bits: what is refused, and that a few-step LoRA lies beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.bases.few_steps import make_few_step, write_random
from tests.bases.toys import make_toy
from tests.toy_character import make_recipe
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.bases.quantizing import Quantizer, check_quantization, configure, find_usable
from understudy.domain import Character, Picture, Scene, UserError
from understudy.events import ignore
from understudy.methods import hastening, learn
from understudy.methods.adapters import load_adapter
from understudy.methods.hastening import fuses, hasten, plan_drawing
from understudy.methods.painting import PipelinePainter
from understudy.recipes import DrawSettings, Faster
from understudy.recipes.computing import Quantization
from understudy.runs import Plan

ON_A_CPU: tuple[Quantizer, ...] = ("quanto", "torchao")
"""The packages that work without a graphics card."""
WHOLE = Plan(device="cpu", precision="fp32", threads=1)


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_a_missing_package_is_one_sentence(quantization: Quantization) -> None:
    with pytest.raises(UserError, match="need a graphics card and the package bitsandbytes") as mistake:
        check_quantization(quantization, frozenset())
    assert "\n" not in str(mistake.value)
    check_quantization("none", frozenset())
    check_quantization("int8", frozenset({"quanto"}))
    with pytest.raises(UserError):
        check_quantization("nf4", frozenset({"quanto", "torchao"}))


def test_it_is_refused_before_anything_is_made(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    recipe = make_recipe(toy_base).model_copy(update={"quantization": "nf4"})
    with pytest.raises(UserError, match="--quantization"):
        learn(pip, recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_bitsandbytes_needs_a_card() -> None:
    assert "bitsandbytes" not in find_usable("cpu")


def test_a_package_that_cannot_be_used_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.bases.quantizing.MODULES", {"quanto": "a_package_that_is_not_there"})
    with pytest.raises(UserError, match="quanto cannot be used here"):
        configure("int8", "quanto", "unet", torch.float32)
    assert configure("none", None, "unet", torch.float32) is None


@pytest.mark.parametrize("family", ["sd1", "flux2"])
@pytest.mark.parametrize("quantizer", ON_A_CPU)
def test_a_base_in_int8_draws_with_lora_beside_its_weights(
    family: Family, quantizer: Quantizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was learned and a few-step LoRA, both beside; nearly as the whole weights draw."""
    monkeypatch.setattr(hastening, "find_usable", lambda device: frozenset({quantizer}))
    folder = make_toy(family, tmp_path / "base")
    recipe = make_recipe(folder)
    base = open_base(folder, WHOLE)
    fast = make_few_step(base, tmp_path / "fast.safetensors")
    write_random(base, recipe, tmp_path / "pip")
    pictures: list[Picture] = []
    for quantization in ("none", "int8"):
        settings = DrawSettings(steps=2, guidance=1.0, fast=str(fast), quantization=quantization)
        base = open_base(folder, plan_drawing(WHOLE, folder, settings.faster))
        load_adapter(base, recipe, tmp_path / "pip", fuses(settings.faster))
        hastened = hasten(base, str(folder), settings.faster, ignore)
        painter = PipelinePainter(base, lambda prompt: prompt, {}, hastened=hastened)
        pictures += painter([Scene("a picture of a girl", 1)], settings)
    whole, small = (picture.pixels.astype(float) for picture in pictures)
    assert pictures[1].record["quantization"] == f"int8 by {quantizer}"
    assert 0 < np.abs(whole - small).mean() < 10


@pytest.mark.parametrize("family", ["flux", "kontext"])
def test_flux_is_not_drawn_in_what_its_lora_cannot_be_read_onto(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = make_toy(family, tmp_path / "base"), Faster(quantization="int8")
    monkeypatch.setattr(hastening, "find_usable", lambda device: frozenset({"quanto", "torchao"}))
    assert plan_drawing(WHOLE, folder, asked).quantizer == "torchao"
    monkeypatch.setattr(hastening, "find_usable", lambda device: frozenset({"quanto"}))
    with pytest.raises(UserError, match="leave --quantization out"):
        plan_drawing(WHOLE, folder, asked)
