"""LoRAs with which a base draws in few steps, by name: a table. Needs no torch.

Each comes with the scheduler that it was distilled for. The sources, and what could not be confirmed, are in
docs/drawing-faster.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from understudy.bases.choosing.known import find_known
from understudy.bases.choosing.licences import APACHE, FLUX_DEV, OPEN_RAIL_PLUS, Licence
from understudy.bases.fetching.packaged import PACKAGED
from understudy.bases.fetching.single_file import PICKLES
from understudy.bases.layouts import Family
from understudy.bases.shapes import find_shape
from understudy.domain import UserError

FILE_SUFFIX = ".safetensors"
NAMES_OF_ANY = ("pytorch_lora_weights.safetensors", "diffusion_pytorch_model.safetensors")
"""What files are called by default: they say nothing of what is in them."""
FEW = 8
"""A base that its makers draw in so many steps needs no LoRA for it."""


@dataclass(frozen=True)
class Sampler:
    """A scheduler: a class of diffusers, and what it has other than the base's own."""

    kind: str
    options: Mapping[str, object]


@dataclass(frozen=True)
class FewStep:
    """One LoRA under its short name, and how its makers draw with it."""

    name: str
    family: Family
    architecture: str
    """What `shapes` calls the model that it was distilled from; empty where that is not known."""
    repository: str
    file: str
    licence: Licence | None
    steps: int
    guidance: float
    sampler: Sampler | None = None
    """None for the base's own."""
    strength: float = 1.0
    path: Path | None = None
    """Where the file lies, of one that was given as a file."""

    @property
    def source(self) -> str:
        """For a picture's record; never where it lies on somebody's disk."""
        return f"{self.repository}/{self.file}" if self.repository else self.file


_HELD = {"clip_sample": False}
"""Latents are no pictures within -1 ... 1: the bases' own schedulers say so, others hold them there."""
_TRAILING = {"timestep_spacing": "trailing"}
LCM = Sampler("LCMScheduler", _HELD)
DDIM = Sampler("DDIMScheduler", {**_TRAILING, **_HELD})
EULER = Sampler("EulerDiscreteScheduler", _TRAILING)
SHIFTED_BY_3 = Sampler(
    "FlowMatchEulerDiscreteScheduler",
    {
        "shift": 1.0,
        "use_dynamic_shifting": True,
        "time_shift_type": "exponential",
        "base_shift": math.log(3),
        "max_shift": math.log(3),
        "shift_terminal": None,
    },
)
_HYPER = "ByteDance/Hyper-SD"

FEW_STEP = (
    FewStep(
        "lcm",
        "sd1",
        "stable-diffusion-v1",
        "latent-consistency/lcm-lora-sdv1-5",
        "pytorch_lora_weights.safetensors",
        OPEN_RAIL_PLUS,
        4,
        1.0,
        LCM,
    ),
    FewStep(
        "hyper",
        "sd1",
        "stable-diffusion-v1",
        _HYPER,
        "Hyper-SD15-8steps-CFG-lora.safetensors",
        OPEN_RAIL_PLUS,
        8,
        5.0,
        DDIM,
    ),
    FewStep(
        "lcm",
        "sdxl",
        "stable-diffusion-xl-v1-base",
        "latent-consistency/lcm-lora-sdxl",
        "pytorch_lora_weights.safetensors",
        OPEN_RAIL_PLUS,
        4,
        1.0,
        LCM,
    ),
    FewStep(
        "lightning",
        "sdxl",
        "stable-diffusion-xl-v1-base",
        "ByteDance/SDXL-Lightning",
        "sdxl_lightning_4step_lora.safetensors",
        OPEN_RAIL_PLUS,
        4,
        1.0,
        EULER,
    ),
    FewStep(
        "hyper",
        "sdxl",
        "stable-diffusion-xl-v1-base",
        _HYPER,
        "Hyper-SDXL-8steps-CFG-lora.safetensors",
        OPEN_RAIL_PLUS,
        8,
        5.0,
        DDIM,
    ),
    FewStep(
        "turbo",
        "flux",
        "flux-1-dev",
        "alimama-creative/FLUX.1-Turbo-Alpha",
        "diffusion_pytorch_model.safetensors",
        FLUX_DEV,
        8,
        3.5,
    ),
    FewStep(
        "hyper",
        "flux",
        "flux-1-dev",
        _HYPER,
        "Hyper-FLUX.1-dev-8steps-lora.safetensors",
        FLUX_DEV,
        8,
        3.5,
        strength=0.125,
    ),
    FewStep(
        "lightning",
        "qwen",
        "Qwen-Image",
        "lightx2v/Qwen-Image-Lightning",
        "Qwen-Image-Lightning-8steps-V2.0.safetensors",
        APACHE,
        8,
        1.0,
        SHIFTED_BY_3,
    ),
    FewStep(
        "lightning",
        "qwen-edit",
        "Qwen-Image-Edit-Plus",
        "lightx2v/Qwen-Image-Edit-2511-Lightning",
        "Qwen-Image-Edit-2511-Lightning-8steps-V1.0-bf16.safetensors",
        APACHE,
        8,
        1.0,
        SHIFTED_BY_3,
    ),
    FewStep(
        "distill",
        "zimage",
        "Z-Image",
        "alibaba-pai/Z-Image-Fun-Lora-Distill",
        "Z-Image-Fun-Lora-Distill-8-Steps-2602.safetensors",
        APACHE,
        8,
        1.0,
        strength=0.8,
    ),
)


def find_few_step(name: str, base: str, family: Family, folder: Path | None) -> FewStep:
    """The LoRA of that name for a base, or the file of that name; `folder` is where the base lies, if known.

    A file that is called as one in the table is drawn with as that one; of others nothing is known, so the
    base's own scheduler draws with them. Raises `UserError` where the base has none, no such one, or
    needs none, and where the file is none.
    """
    _refuse_bases(base)
    shape = None if folder is None else find_shape(folder)
    rows = [row for row in FEW_STEP if row.family == family]
    if shape is not None:
        rows = [row for row in rows if row.architecture == shape.architecture]
    path = Path(name).expanduser()
    if path.suffix.lower() in (FILE_SUFFIX, *PICKLES):
        return _of_file(path, family, rows)
    if not rows:
        raise UserError(
            "There is no few-step LoRA that is known for this base: leave --fast out, or give a "
            f"{FILE_SUFFIX} file of one."
        )
    found = next((row for row in rows if row.name == name), None)
    if found is None:
        names = " or ".join(row.name for row in rows)
        raise UserError(
            f"There is no few-step LoRA {name!r} for this base: take {names}, or a {FILE_SUFFIX} file."
        )
    return found


def _refuse_bases(base: str) -> None:
    known = find_known(base)
    if known is None:
        return
    if known.name in PACKAGED:
        raise UserError(f"{known.name} is too small for a few-step LoRA, there is none: leave --fast out.")
    if known.steps <= FEW:
        raise UserError(f"{known.name} draws in {known.steps} steps as it is: leave --fast out.")


def _of_file(path: Path, family: Family, rows: Sequence[FewStep]) -> FewStep:
    if path.suffix.lower() != FILE_SUFFIX:
        raise UserError(f"{path} may run code when it is opened: give a {FILE_SUFFIX} file instead.")
    if not path.is_file():
        raise UserError(f"There is no file {path}: give --fast a few-step LoRA that is there.")
    named = [row for row in rows if row.file not in NAMES_OF_ANY]
    same = next((row for row in named if row.file == path.name), None)
    other = FewStep(path.stem, family, "", "", path.name, None, FEW, 1.0)
    return replace(same or other, repository="", path=path)
