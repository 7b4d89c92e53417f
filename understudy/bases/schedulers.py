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
OF_FLOWS: Mapping[Scheduler, type[SchedulerMixin]] = {
    "euler": diffusers.FlowMatchEulerDiscreteScheduler,
    "unipc": diffusers.UniPCMultistepScheduler,
}
"""Those that all pipelines with a flow can be given."""
ZERO_SNR = "rescale_betas_zero_snr"


def is_flow(config: Mapping[str, Any]) -> bool:
    """Whether the scheduler of this config draws along straight paths, which have no schedule of betas."""
    return "beta_schedule" not in config


def check_steps(num_steps: int, config: Mapping[str, Any]) -> None:
    """Raise `UserError` for a single step where the last of them has a share of noise of its own.

    diffusers stretches the steps so that the last is there and the first at noise alone: one cannot be both.
    """
    if num_steps == 1 and config.get("shift_terminal"):
        raise UserError("This base cannot draw in a single step: give it 2 or more.")


def make_scheduler(name: Scheduler, config: Mapping[str, Any]) -> SchedulerMixin:
    """The scheduler `name` with the noise levels, spacing and prediction of the base's own `config`.

    Raises `UserError` for one that cannot begin from pure noise where the base has learned to (Lin et al.,
    "Common diffusion noise schedules and sample steps are flawed", arXiv 2305.08891), or that knows no flow.
    """
    if is_flow(config):
        return _make_for_flow(name, config)
    kind = CLASSES[name]
    if config.get(ZERO_SNR) and ZERO_SNR not in signature(kind).parameters:
        able = ", ".join(one for one in CLASSES if ZERO_SNR in signature(CLASSES[one]).parameters)
        raise UserError(f"The scheduler {name} cannot begin from pure noise as this base does: take {able}.")
    own: dict[str, object] = {"algorithm_type": "sde-dpmsolver++" if name == "dpm++-sde" else "dpmsolver++"}
    # By default DDIM holds latents within -1 ... 1, which are not pictures and have no such bounds.
    own |= {"clip_sample": False}
    known = {key: value for key, value in own.items() if key in signature(kind).parameters}
    return kind.from_config(config, **known)


def _make_for_flow(name: Scheduler, config: Mapping[str, Any]) -> SchedulerMixin:
    if name not in OF_FLOWS:
        raise UserError(f"The scheduler {name} cannot draw with this base: take {' or '.join(OF_FLOWS)}.")
    if name == "euler":
        return OF_FLOWS[name].from_config(config)
    return OF_FLOWS[name].from_config(
        config, use_flow_sigmas=True, flow_shift=config["shift"], prediction_type="flow_prediction"
    )
