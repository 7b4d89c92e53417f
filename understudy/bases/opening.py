"""Opening a base: its family's class around the pipeline in its folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_never

import torch
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import AttnProcessor
from diffusers.utils import logging as diffusers_logging
from torch import nn
from transformers.utils import logging as transformers_logging

from understudy.bases.base import DTYPES, Base
from understudy.bases.catalog import read_layout
from understudy.bases.fetching.fetch import find_better_vae
from understudy.bases.fetching.needed_files import variant_of
from understudy.bases.flux import FluxBase
from understudy.bases.flux2 import Flux2Base
from understudy.bases.kontext import KontextBase
from understudy.bases.layouts import DRAWING_ENCODER, Family
from understudy.bases.looking import LookingBase
from understudy.bases.placing import place_readers
from understudy.bases.prompting import read_prompting
from understudy.bases.quantizing import configure
from understudy.bases.qwen import QwenBase
from understudy.bases.qwen_edit import QwenEditBase
from understudy.bases.sd1 import Sd1Base
from understudy.bases.sd3 import Sd3Base
from understudy.bases.sdxl import SdxlBase
from understudy.bases.zimage import ZImageBase
from understudy.domain import UserError
from understudy.runs import Plan

SMALL_SIDE = 32
"""Latents; with more, attention from every place to every other at once takes too much memory."""


def open_base(
    folder: Path, plan: Plan, min_snr: float = 0.0, size_px: int = 0, size_shift: bool = False
) -> Base:
    """Open the base in `folder` (see `catalog.find_base`), without the network.

    `min_snr` caps the weight of nearly clean pictures in its objective; `size_px` is the side of the pictures
    to learn and draw, 0 for the base's own; with `size_shift` it decides the noise to learn at. Raises
    `UserError` if it cannot be loaded, or has no such objective.
    """
    layout = read_layout(folder)
    kind = find_kind_in(folder)
    dtype = DTYPES[plan.precision]
    given: dict[str, Any] = {part: None for part in layout.optional if not (folder / part).is_dir()}
    better_vae = None if plan.precision == "fp32" else find_better_vae(folder)
    quantized = configure(plan.quantization, plan.quantizer, layout.denoiser, dtype)
    pipe = _load(kind, folder, dtype, quantized, given, better_vae)
    for part in pipe.components.values():
        if isinstance(part, nn.Module):
            part.requires_grad_(False).eval()
    _speed_up(pipe, plan)
    objective = kind.find_objective(pipe.scheduler, min_snr)
    base = kind(pipe, objective, plan, read_prompting(folder), size_px or kind.own_size_px(pipe))
    place_readers(base)
    if isinstance(base, LookingBase):
        _ = base.encoder  # a damaged one is found now, not after the class pictures
    return base.shifting_by_size() if size_shift else base


def find_kind_in(folder: Path) -> type[Base]:
    """The class of the base in a folder; raises `UserError` as `read_layout` does."""
    family = read_layout(folder).family
    return LookingBase if family == "sd1" and (folder / DRAWING_ENCODER).is_dir() else find_kind(family)


def find_kind(family: Family) -> type[Base]:
    """The class of a family."""
    match family:
        case "sd1":
            return Sd1Base
        case "sdxl":
            return SdxlBase
        case "sd3":
            return Sd3Base
        case "flux":
            return FluxBase
        case "kontext":
            return KontextBase
        case "flux2":
            return Flux2Base
        case "qwen":
            return QwenBase
        case "qwen-edit":
            return QwenEditBase
        case "zimage":
            return ZImageBase
        case _:
            assert_never(family)


def _speed_up(pipe: Any, plan: Plan) -> None:
    """torch's fused attention multiplies small blocks, which takes a CPU much longer in bf16 than in fp32."""
    unet = pipe.components.get("unet")
    is_slow = (plan.device, plan.precision) == ("cpu", "bf16")
    if is_slow and unet is not None and unet.config.sample_size <= SMALL_SIDE:
        unet.set_attn_processor(AttnProcessor())


def _load(
    kind: type[Base],
    folder: Path,
    dtype: torch.dtype,
    quantized: Any,
    given: Mapping[str, Any],
    vae: Path | None,
) -> Any:
    """The pipeline, with the autoencoder of the folder `vae` in place of its own, if one is given."""
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries' next major releases will change
        try:
            if vae is not None:
                given = {**given, "vae": _load_vae(vae, dtype)}
            pipe = (kind.opens_with or kind.draws_with).from_pretrained(
                folder,
                variant=variant_of(folder),
                torch_dtype=dtype,  # however the weights are stored; bf16 to fp32 is exact
                local_files_only=True,
                use_safetensors=True,  # anything else is pickle, which runs what is in it
                quantization_config=quantized,
                **kind.without,
                **given,
            )
        except Exception as error:  # whatever the loaders of four libraries raise for a damaged file
            what = _first_line(error)
            folders = f"{folder}, or its autoencoder in {vae}," if vae else f"{folder}"
            raise UserError(
                f"The base in {folders} cannot be loaded ({what}): {_how_again(folder)}."
            ) from error
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _how_again(folder: Path) -> str:
    """What to do about a damaged base: one in the Hub's cache would be found there again."""
    kept = folder.parent.parent
    if folder.parent.name == "snapshots" and kept.name.startswith("models--"):
        return f"remove {kept} and give the same command again, which fetches it anew"
    return "get it again"


def _load_vae(folder: Path, dtype: torch.dtype) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(
        folder, torch_dtype=dtype, local_files_only=True, use_safetensors=True
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
