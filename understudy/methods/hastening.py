"""Drawing faster, or in less memory, on a large base: how it is opened, and what is done once it has learned.

Source of few-step LoRA beside another: Luo et al., LCM-LoRA, arXiv 2311.05556.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file

from understudy.bases.base import Base
from understudy.bases.caching import Turns, cache_blocks, foretell, forget
from understudy.bases.catalog import find_base, read_layout
from understudy.bases.compiling import compile_blocks
from understudy.bases.fetching.adapters import fetch_file
from understudy.bases.fetching.hashing import hash_file
from understudy.bases.fetching.safetensors_header import read_header
from understudy.bases.few_step import FewStep, find_few_step
from understudy.bases.opening import find_kind
from understudy.bases.quantizing import CAN, check_quantization, find_usable
from understudy.domain import UserError
from understudy.events import Notify
from understudy.methods.computing.planning import has_compiler
from understudy.recipes import AS_IT_IS, DrawSettings, Faster
from understudy.runs import Plan

FEW_STEP = "few_step"
"""The few-step LoRA's name among a denoiser's adapters."""
BELOW_NO_NAME, BELOW_DENOISER = "lora_unet__", "lora_unet_"
"""What VideoX-Fun's names of layers begin with (Z-Image-Fun-Lora-Distill has them), and what others' do: of
the first diffusers 0.42 makes layers below one whose name is empty, which no denoiser has."""
READ_NO_QUANTO = ("flux", "kontext")
"""Families whose weights diffusers 0.42 asks, to read LoRA onto them, by names that quanto does not keep."""


@dataclass(frozen=True)
class Hastened:
    """What a painter was opened with, and what its pictures' records say of it."""

    faster: Faster = AS_IT_IS
    facts: Mapping[str, str] = field(default_factory=dict)
    turns: Turns | None = None

    @property
    def draws_singly(self) -> bool:
        """This cache asks how much all of a batch has changed: no picture is to depend on those beside it."""
        return self.faster.cache == "first-block"

    def check(self, settings: DrawSettings) -> None:
        """Raise `ValueError` for settings that ask for another painter."""
        if settings.faster != self.faster:
            raise ValueError(f"The painter was opened with {self.faster}, not with {settings.faster}.")

    def begin(self, base: Base, scheduler: Any) -> None:
        """To be called before a picture, with its scheduler: nothing is taken over from the one before."""
        if self.turns is not None:
            self.turns.begin(scheduler)
            forget(base)


NOT_HASTENED = Hastened()


def plan_drawing(plan: Plan, folder: Path, faster: Faster) -> Plan:
    """The plan with what `faster` asks for of how the base in `folder` is opened.

    Raises `UserError` where this machine or the base's family cannot do it.
    """
    if faster == AS_IT_IS:
        return plan
    family = read_layout(folder).family
    if faster.cache == "first-block" and not find_kind(family).caches_blocks:
        raise UserError(
            "The cache first-block needs a denoiser that is a transformer, and this base's is a U-Net: "
            "take --cache taylor, or leave --cache out."
        )
    by_layers = find_kind(family).draws_by_layers(plan)
    if by_layers and faster.compile and faster.quantization == "none":
        raise UserError(
            "Layers that come one by one are not compiled: add --quantization nf4, or leave out --compile."
        )
    usable = find_usable(plan.device) - ({"quanto"} if family in READ_NO_QUANTO else set())
    check_quantization(faster.quantization, usable)
    if faster.compile and not (plan.device.startswith("cuda") and has_compiler(folder)):
        raise UserError("Compiling needs a graphics card and the package triton: leave --compile out.")
    return plan.model_copy(
        update={
            "quantization": faster.quantization,
            "quantizer": next((one for one in CAN[faster.quantization] if one in usable), None),
            "compiled": faster.compile,
            # Quantised, a denoiser that was too large mostly fits, and its layers could not come one by one.
            "offload": "encoders" if by_layers and faster.quantization != "none" else plan.offload,
        }
    )


def fuses(faster: Faster, follows_noise: bool = False) -> bool:
    """Whether LoRA is added to the base's own weights.

    One that `follows_noise` is added anew at every rank, which leaves no room there for a few-step LoRA.
    """
    if follows_noise and faster.fast:
        return False
    return faster.quantization == "none" if faster.fuse is None else faster.fuse


def find_fast(name: str, fast: str, notify: Notify) -> tuple[FewStep, Path]:
    """A few-step LoRA for the base called `name`, and where it lies, fetched if need be.

    Raises `UserError` for one that there is not, or that cannot be had.
    """
    folder = find_base(name, notify)
    row = find_few_step(fast, name, read_layout(folder).family, folder)
    return row, row.path or fetch_file(row.repository, row.file, notify)


def hasten(base: Base, name: str, faster: Faster, notify: Notify) -> Hastened:
    """Let a base, which already has what was learned on it, draw as `faster` says; `name` is the base's.

    Raises `UserError` for a few-step LoRA that there is not, or that does not fit.
    """
    facts: dict[str, str] = {}
    turns = None
    if faster.fast:
        row, path = find_fast(name, faster.fast, notify)
        add_few_step(base, row, path, fuses(faster))
        facts |= _describe(row, path)
    if base.plan.compiled:
        compile_blocks(base.denoiser)
    match faster.cache:
        case "first-block":
            turns = cache_blocks(base, faster.cache_threshold)
            facts["cache"] = f"first-block, {faster.cache_threshold:g}"
        case "taylor":
            turns = foretell(base, faster.cache_interval)
            facts["cache"] = f"taylor, 1 of {faster.cache_interval}"
    if base.plan.quantizer is not None:
        facts["quantization"] = f"{base.plan.quantization} by {base.plan.quantizer}"
    if faster.fuse is not None:
        facts["fused"] = "no" if _are_beside(base) else "yes"
    if base.plan.compiled:
        facts["compiled"] = "yes"
    return Hastened(faster, facts, turns)


def add_few_step(base: Base, row: FewStep, path: Path, fuse: bool) -> None:
    """Put a few-step LoRA beside what the denoiser has learned, and its scheduler in place of the base's.

    Raises `UserError` where the file is of another base.
    """
    pipe = base.pipe
    before = _find_adapters(base)
    if before and not _are_fused(base) and not _is_lora(base):
        raise UserError(
            "Only LoRA lies beside a few-step LoRA unfused: leave --no-fuse and --quantization out."
        )
    if before and _are_fused(base):
        pipe.unload_lora_weights()  # what was learned stays in the weights
        before = []
    try:
        _read(pipe, path)
    except Exception as error:  # whatever the readers of all forms of LoRA raise
        raise UserError(_refuse(path, str(error).strip().partition("\n")[0])) from error
    if FEW_STEP not in _find_adapters(base):
        raise UserError(_refuse(path, "none of its layers is in the base"))
    denoiser: Any = base.denoiser
    denoiser.set_adapters([*before, FEW_STEP], [*(1.0 for _ in before), row.strength])
    if fuse and not before:
        pipe.fuse_lora(components=[base.denoiser_part], adapter_names=[FEW_STEP])
    if row.sampler is not None:
        kind = getattr(diffusers, row.sampler.kind)
        pipe.scheduler = kind.from_config(pipe.scheduler.config, **row.sampler.options)


def _read(pipe: Any, path: Path) -> None:
    """Give the pipeline a few-step LoRA, by other names where diffusers would not find the layers."""
    if not any(name.startswith(BELOW_NO_NAME) for name in read_header(path)):
        pipe.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name=FEW_STEP)
        return
    tensors = load_file(path)
    mended = {name.replace(BELOW_NO_NAME, BELOW_DENOISER): tensor for name, tensor in tensors.items()}
    pipe.load_lora_weights(mended, adapter_name=FEW_STEP)


def _describe(row: FewStep, path: Path) -> dict[str, str]:
    licence = {} if row.licence is None else {"fast_licence": row.licence.name}
    found = {"fast": row.name, "fast_source": row.source, "fast_sha256": hash_file(path).hex()}
    return {**found, **licence}


def _find_adapters(base: Base) -> list[str]:
    return list(base.pipe.get_list_adapters().get(base.denoiser_part, ()))


def _are_fused(base: Base) -> bool:
    return bool(base.pipe.num_fused_loras)


def _are_beside(base: Base) -> bool:
    """Whether any adapter is computed beside the denoiser's own weights."""
    return not _are_fused(base) and any(isinstance(one, BaseTunerLayer) for one in base.denoiser.modules())


def _is_lora(base: Base) -> bool:
    """Whether no adapter of another kind is in the denoiser's layers."""
    layers = [layer for layer in base.denoiser.modules() if isinstance(layer, BaseTunerLayer)]
    return all(isinstance(layer, LoraLayer) for layer in layers)


def _refuse(path: Path, why: str) -> str:
    return f"{path.name} is no LoRA for this base ({why}): give --fast another."
