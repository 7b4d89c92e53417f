"""What a toy's adapter would learn, by each plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from tests.toy_character import make_recipe
from understudy.bases.base import Base
from understudy.bases.opening import open_base
from understudy.bases.placing import place_denoiser
from understudy.methods.attached import attached
from understudy.methods.computing.as_planned import compute_as_planned
from understudy.methods.computing.dry_step import make_question, run_dry
from understudy.runs import Plan


def dry_gradients(
    folder: Path, plan: Plan, steps: int = 2, look_at: Callable[[Base], None] = lambda base: None
) -> dict[str, Tensor]:
    """Of an adapter, after so many steps about nothing in particular; `look_at` is shown the adapted base."""
    base = open_base(folder, plan)
    recipe = make_recipe(folder)
    prompts = base.encode_prompt(["Pip", "a girl"])
    latents = base.encode_image(torch.zeros(2, 3, base.size_px, base.size_px)).mean
    place_denoiser(base)
    with attached(base, recipe) as weights:
        compute_as_planned(base, folder)
        look_at(base)
        question = make_question(base, latents, prompts, False)
        for _ in range(steps):
            run_dry(base, question)
    # Where the last block answers about the words as well, nobody hears it.
    assert sum(weight.grad is not None for weight in weights.values()) > 0.8 * len(weights)
    return {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
