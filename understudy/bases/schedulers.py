"""Schedulers by name: diffusers' classes, set as the base's own scheduler is."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

import diffusers
from diffusers import SchedulerMixin

from understudy.domain import UserError
from understudy.recipes import Scheduler

CLASSES: Mapping[Scheduler, type[SchedulerMixin]] = {
    "dpm++": diffusers.DPMSolverMultistepScheduler,
    "dpm++-sde": diffusers.DPMSolverMultistepScheduler,
    "ddim": diffusers.DDIMScheduler,
    "euler": diffusers.EulerDiscreteScheduler,
    "euler-a": diffusers.EulerAncestralDiscreteScheduler,
    "unipc": diffusers.UniPCMultistepScheduler,
    "heun": diffusers.HeunDiscreteScheduler,
}
ZERO_SNR = "rescale_betas_zero_snr"


def make_scheduler(name: Scheduler, config: Mapping[str, Any]) -> SchedulerMixin:
    """The scheduler `name` with the noise levels, spacing and prediction of the base's own `config`.

    Raises `UserError` for one that cannot begin from pure noise where the base has learned to (Lin et al.,
    "Common diffusion noise schedules and sample steps are flawed", arXiv 2305.08891).
    """
    kind = CLASSES[name]
    if config.get(ZERO_SNR) and ZERO_SNR not in signature(kind).parameters:
        able = ", ".join(one for one in CLASSES if ZERO_SNR in signature(CLASSES[one]).parameters)
        raise UserError(f"The scheduler {name} cannot begin from pure noise as this base does: take {able}.")
    own: dict[str, object] = {"algorithm_type": "sde-dpmsolver++" if name == "dpm++-sde" else "dpmsolver++"}
    # By default DDIM holds latents within -1 ... 1, which are not pictures and have no such bounds.
    own |= {"clip_sample": False}
    known = {key: value for key, value in own.items() if key in signature(kind).parameters}
    return kind.from_config(config, **known)
