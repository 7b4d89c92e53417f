"""A base in one .safetensors file to a folder in diffusers' layout, without the network.

diffusers reads such files with the configs, vocabularies and schedule of the base that the file is a kind of;
given as a folder (`config`), nothing is asked for. Of the U-Nets the file holds all weights; of the others it
holds the denoiser, and everything else is the base's own, linked and not copied.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.utils import logging as diffusers_logging
from safetensors import safe_open
from torch import Tensor
from transformers.utils import logging as transformers_logging

from understudy.bases.choosing.known import KnownBase
from understudy.bases.fetching.fetch import OWN, fetch_base, fetch_texts
from understudy.bases.fetching.needed_files import INDEX_FILE, what_is_missing
from understudy.bases.fetching.safetensors_header import read_header
from understudy.bases.fetching.single_file import FROM_PURE_NOISE, PREFIX, VELOCITY, recognise
from understudy.bases.layouts import Family
from understudy.bases.schedulers import ZERO_SNR
from understudy.domain import UserError
from understudy.events import Note, Notify, ignore
from understudy.hub import Hub, refuse_full_disk

PIPELINES = {
    "sd1": diffusers.StableDiffusionPipeline,
    "sdxl": diffusers.StableDiffusionXLPipeline,
}
DENOISERS = {
    "sd3": diffusers.SD3Transformer2DModel,
    "flux": diffusers.FluxTransformer2DModel,
    "flux2": diffusers.Flux2Transformer2DModel,
    "qwen": diffusers.QwenImageTransformer2DModel,
    "zimage": diffusers.ZImageTransformer2DModel,
}
DTYPES = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.bfloat16,
    "F8_E5M2": torch.bfloat16,
}
"""What is made of how a file keeps most of its tensors; fp32 of anything else."""


def open_single_file(
    path: Path, family: Family | None = None, notify: Notify = ignore, hub: Hub = OWN
) -> Path:
    """The folder of a base in diffusers' layout made of one file, which is made once and then found again.

    What the file lacks comes from the known base that it is a kind of, from the disk or the Hub. Raises
    `UserError` for a file that is no such base, or of another `family` than asked for.
    """
    known = recognise(path)
    if family is not None and known.family != family:
        raise UserError(f"{path} is a base of the family {known.family}, not {family}: give another file.")
    here = find_converted(path, hub)
    if here is not None:
        return here
    folder = _place(path, hub)
    draft = folder.with_name(f".{folder.name}-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    refuse_full_disk(str(path), path.stat().st_size, folder)
    notify(Note(f"Making a base of {path}, in {folder}; this is done once."))
    try:
        if known.family in PIPELINES:
            _convert_whole(path, known, fetch_texts(known, notify, hub), draft)
        else:
            _convert_denoiser(path, known, fetch_base(known.name, notify, hub), draft)
        shutil.rmtree(folder, ignore_errors=True)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def find_converted(path: Path, hub: Hub = OWN) -> Path | None:
    """The folder that was made of a file, if it was and the file is still the same."""
    folder = _place(path, hub) if path.is_file() else None
    return folder if folder and folder.is_dir() and not what_is_missing(folder) else None


def _place(path: Path, hub: Hub) -> Path:
    return hub.folder.parent / "understudy" / f"{path.stem}-{_mark(path)}"


def _mark(path: Path) -> str:
    """What tells this file from others of its name; its contents would take minutes to read."""
    about = path.stat()
    return hashlib.sha256(f"{path.resolve()} {about.st_size} {about.st_mtime_ns}".encode()).hexdigest()[:12]


def _convert_whole(path: Path, known: KnownBase, texts: Path, out: Path) -> None:
    nothing: dict[str, Any] = {"safety_checker": None, "feature_extractor": None}
    if known.family == "sd1":
        nothing["requires_safety_checker"] = False
    kind = PIPELINES[known.family]
    pipe = _load(kind, path, config=str(texts), **nothing)
    header = read_header(path)
    if VELOCITY in header:
        own, from_pure_noise = pipe.scheduler, FROM_PURE_NOISE in header
        changed: dict[str, Any] = {"prediction_type": "v_prediction", ZERO_SNR: from_pure_noise}
        if from_pure_noise:
            changed["timestep_spacing"] = "trailing"  # else the first step is not that of pure noise
        pipe.scheduler = type(own).from_config(own.config, **changed)
    pipe.save_pretrained(out)


def _convert_denoiser(path: Path, known: KnownBase, base: Path, out: Path) -> None:
    tensors = _without_prefix(path) if any(name.startswith(PREFIX) for name in read_header(path)) else None
    denoiser = _load(DENOISERS[known.family], path, tensors, config=str(base), subfolder="transformer")
    denoiser.save_pretrained(out / "transformer")
    for part in base.iterdir():
        if part.is_dir() and part.name != "transformer":
            (out / part.name).symlink_to(part.resolve(), target_is_directory=True)
    shutil.copyfile(base / INDEX_FILE, out / INDEX_FILE)


def _without_prefix(path: Path) -> dict[str, Tensor]:
    """A denoiser's tensors by its own names, which are all that diffusers' readers of some families know."""
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(PREFIX)]  # noqa: SIM118
        return {name.removeprefix(PREFIX): file.get_tensor(name) for name in names}


def _load(kind: Any, path: Path, tensors: dict[str, Tensor] | None = None, **options: Any) -> Any:
    """What diffusers makes of a file, or of the tensors in it where these are given."""
    [(kept, _)] = Counter(entry.dtype for entry in read_header(path).values()).most_common(1)
    dtype = DTYPES.get(kept, torch.float32)
    try:
        with _quiet():
            source = str(path) if tensors is None else tensors
            return kind.from_single_file(source, local_files_only=True, torch_dtype=dtype, **options)
    except Exception as error:  # whatever the loaders of three libraries raise for a damaged file
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{path} cannot be read as a base ({lines[0]}): give another file.") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' bars, as ours are told by events, and what their next releases will change."""
    for logging in (diffusers_logging, transformers_logging):
        logging.disable_progress_bar()
    before = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        diffusers_logging.set_verbosity(before)
