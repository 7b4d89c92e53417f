"""Two steps on the device itself, which say what every step takes: the second has Adam's moments already."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import nn

from understudy.bases.base import DTYPES, Base
from understudy.bases.conditioning import Conditioning
from understudy.bases.hollow import META, open_hollow, shape_prompts
from understudy.bases.opening import open_base
from understudy.bases.placing import place_denoiser
from understudy.methods.computing.as_planned import compute_as_planned
from understudy.methods.computing.compiled_gradients import (
    check_gradients,
    make_telling,
    measure_gradients,
    measure_plain,
)
from understudy.methods.computing.dry_step import learning, make_question, make_reading, run_dry
from understudy.methods.computing.fused_backward import stepping_in_backward
from understudy.methods.computing.graphs import Capture, NotCaptured, capture, capture_loss
from understudy.methods.computing.loss_scale import LossScale
from understudy.methods.computing.out_of_memory import is_out_of_memory
from understudy.methods.conditioning import readers_in_steps
from understudy.methods.optimizers import make_optimizer
from understudy.methods.questions import Question
from understudy.methods.whole_weights import open_to_learn
from understudy.recipes import Finetune
from understudy.runs import Plan

NUM_STEPS = 2


def measure_peak(folder: Path, recipe: Finetune, plan: Plan) -> int | None:
    """The most bytes that learning by `recipe` has on the graphics card at once.

    None where they are not there, or where what the plan asks for does not run on this machine. A captured
    step keeps for good what it was given room for, whether it is in use or not, and that counts. Raises
    `LostGradients` and `NotCaptured` as `take_steps` does.
    """
    device = torch.device(plan.device)
    _empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    try:
        take_steps(folder, recipe, plan)
    except NotCaptured:
        raise
    except RuntimeError as error:  # as all of the compiler's own failures are, too
        if not (is_out_of_memory(error) or plan.compiled):
            raise
        return None  # where it is compiled, the same plan is tried without
    finally:
        _empty_cache()
    count = torch.cuda.max_memory_reserved if plan.captured else torch.cuda.max_memory_allocated
    return count(device)


def take_steps(folder: Path, recipe: Finetune, plan: Plan, by: Capture = capture) -> None:
    """Learn two steps about nothing, as the recipe learns and as the plan computes, and forget them.

    Raises `LostGradients` where the plan's compiled blocks do not learn what they would uncompiled, and
    `NotCaptured` where its step cannot be captured, for which `by` is taken.
    """
    base = _open(folder, recipe, plan)
    place_denoiser(base, readers_in_steps(type(base), recipe))
    hollow = open_hollow(folder, plan, recipe.resolution_px)
    side = hollow.size_px
    latents = hollow.encode_image(torch.empty(1, 3, side, side, device=META)).mean
    noisy = torch.zeros(recipe.batch, *latents.shape[1:], device=plan.device)
    shapes = shape_prompts(folder, recipe.batch, DTYPES[plan.precision]).tensors
    prompts = Conditioning({name: torch.ones(one.shape, dtype=one.dtype) for name, one in shapes.items()})
    prompts = prompts.to(plan.device)
    with learning(base, recipe) as learned:
        weights = list(learned.values())
        average = [weight.detach().clone() for weight in weights] if recipe.averaging else []
        scale = LossScale(plan.device, plan.precision)
        reading = make_reading(base, folder, recipe, prompts)
        question = make_question(base, noisy, prompts, reading is not None)
        if plan.compiled:
            _compile(base, folder, question, weights, scale)
        else:
            compute_as_planned(base, folder)
        captured = capture_loss(base, weights, question, by) if plan.captured else None
        optimizer = make_optimizer([{"params": weights, "lr": 0.0}], recipe) if weights else None
        with stepping_in_backward(optimizer, recipe) if optimizer and plan.fused_backward else nullcontext():
            for _ in range(NUM_STEPS):
                if captured is None:
                    run_dry(base, question, scale, reading)
                else:
                    torch.autograd.backward(scale.enlarge(captured(question)))
                if optimizer is not None:
                    scale.step(optimizer, weights, recipe.max_gradient_norm)
                    optimizer.zero_grad()
        del average


def _compile(
    base: Base, folder: Path, question: Question, weights: Sequence[nn.Parameter], scale: LossScale
) -> None:
    """As `compute_as_planned`; raises `LostGradients` where what is compiled learns otherwise."""
    telling = make_telling(question)
    words = [one for one in telling.prompts.tensors.values() if one.requires_grad]
    heard = [*words, *(weight for weight in weights if weight.ndim > 1)]
    plain = measure_plain(base, telling, heard, scale)
    compute_as_planned(base, folder)
    check_gradients(plain, measure_gradients(base, telling, heard, scale))


def _open(folder: Path, recipe: Finetune, plan: Plan) -> Base:
    return open_to_learn(recipe, plan, lambda how: open_base(folder, how, size_px=recipe.resolution_px))


def _empty_cache() -> None:
    gc.collect()
    torch.cuda.empty_cache()
