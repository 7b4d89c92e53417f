"""How much a step of learning computes, without a graphics card and without weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from understudy.bases.base import DTYPES
from understudy.bases.hollow import META, open_hollow, shape_prompts
from understudy.methods.computing.dry_step import learning, make_question, run_dry
from understudy.methods.whole_weights import open_to_learn
from understudy.recipes import Finetune
from understudy.runs import Plan


def count_operations(folder: Path, recipe: Finetune, plan: Plan) -> int:
    """Of one step that computes nothing twice, made on torch's meta device: products and convolutions.

    A multiplication and its addition count as two.
    Attention counts as its two products, however a kernel goes about it, and its way back as their four.
    """
    base = open_to_learn(recipe, plan, lambda how: open_hollow(folder, how, recipe.resolution_px))
    pixels = torch.empty(1, 3, base.size_px, base.size_px, device=META)
    latents = base.encode_image(pixels).mean
    noisy = latents.new_empty(recipe.batch, *latents.shape[1:])
    prompts = shape_prompts(folder, recipe.batch, DTYPES[plan.precision])
    with learning(base, recipe):
        question = make_question(base, noisy, prompts, False)
        with FlopCounterMode(display=False) as counter:
            run_dry(base, question)
    return counter.get_total_flops()
