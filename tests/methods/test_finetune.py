"""A step asks the device for no number: on the meta device, which has none, it can be made whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.bases.toys import FAMILIES, make_toy
from tests.toy_character import make_recipe
from understudy.bases.conditioning import Conditioning
from understudy.bases.hollow import META, open_hollow, shape_prompts
from understudy.bases.layouts import Family
from understudy.methods.attached import attached
from understudy.methods.computing.alive import flash_attention
from understudy.methods.conditioning import read_once
from understudy.methods.examples import Examples
from understudy.methods.finetune import Part, begin_tuning
from understudy.runs import Plan

CPU = Plan(device="cpu", precision="fp32", threads=1)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_step_waits_for_the_device(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_toy(family, tmp_path / family)
    base, recipe = open_hollow(folder, CPU), make_recipe(folder)
    pixels = torch.empty(6, 3, base.size_px, base.size_px, device=META)
    latents = base.encode_image(pixels)
    examples = Examples(
        mean=latents.mean,
        std=latents.std,
        mask=torch.empty_like(latents.mean[:, :1]),
        weight=torch.empty(6, device=META),
        prompt=torch.arange(6) % 3,
        prompts=shape_prompts(folder, 3, torch.float32).to(META),  # as they are loaded
        tokens=Conditioning({}),
        unit=torch.arange(6),
        is_prior=torch.zeros(6, dtype=torch.bool),
    )
    with attached(base, recipe) as weights, flash_attention():
        # It would refuse the meta device; what it does there is its own.
        monkeypatch.setattr("understudy.methods.finetune.make_optimizer", make_plain)
        part = Part(weights, recipe.learning_rate)
        tuning = begin_tuning(base, [part], examples, read_once(examples), recipe, lambda *rest: None)
        for number in range(2):
            figures = tuning.step(number)
    assert figures["loss"].is_meta
    with pytest.raises(RuntimeError):
        figures["loss"].item()


def make_plain(groups: list[dict[str, object]], recipe: object) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, foreach=True)
