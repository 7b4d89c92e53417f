"""Weights in few bits: what is refused, and, where a package is there, that a base learns with it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.bases.toys import make_toy
from tests.toy_character import make_recipe
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.bases.quantizing import Quantizer, check_quantization, configure, find_usable
from understudy.domain import Character, UserError
from understudy.methods import learn
from understudy.methods.computing.plans import Choice
from understudy.runs import STATE_FILE, Plan

PACKAGES: dict[Quantizer, str] = {"quanto": "optimum", "torchao": "torchao"}
"""Those that work without a graphics card."""
INT8 = Plan(device="cpu", precision="bf16", threads=1, quantization="int8", checkpointing="whole")


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_a_missing_package_is_one_sentence(quantization: str) -> None:
    with pytest.raises(UserError, match="need a graphics card and the package bitsandbytes") as mistake:
        check_quantization(quantization, frozenset())  # type: ignore[arg-type]
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
@pytest.mark.parametrize("quantizer", PACKAGES)
def test_a_base_in_int8_learns(
    family: Family, quantizer: Quantizer, pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec(PACKAGES[quantizer]) is None:
        pytest.skip(f"the package {PACKAGES[quantizer]} is not installed")
    folder = make_toy(family, tmp_path / "base")
    plan = INT8.model_copy(update={"quantizer": quantizer})
    whole = open_base(folder, INT8.model_copy(update={"quantization": "none"}))
    base = open_base(folder, plan)
    latents = base.encode_image(torch.zeros(1, 3, base.size_px, base.size_px)).mean
    said = [one.predict(latents, torch.tensor([300]), one.encode_prompt(["Pip"])) for one in (base, whole)]
    assert not torch.equal(*said)
    assert ((said[0] - said[1]).norm() / said[1].norm()).item() < 0.1
    monkeypatch.setattr("understudy.methods.plan_learning", lambda *rest: Choice(plan))
    recipe = make_recipe(folder).model_copy(update={"prior_weight": 0.0, "steps": 3})
    newest = learn(pip, recipe, tmp_path / "run").newest_state()
    assert newest is not None
    state = safetensors.torch.load_file(newest.folder / STATE_FILE)
    assert all(torch.isfinite(one).all() for one in state.values())
    assert any(one.abs().max() > 0 for name, one in state.items() if "lora_B" in name)
