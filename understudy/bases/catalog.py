"""Which bases there are, where they lie, and how to tell whether one has changed. Needs no torch."""

from __future__ import annotations

import hashlib
import json
from math import prod
from pathlib import Path
from typing import Any

from understudy.bases.choosing.known import find_known
from understudy.bases.choosing.refused import find_refused, say_refused
from understudy.bases.fetching.fetch import fetch_base, fetch_configs, is_in_the_hub
from understudy.bases.fetching.hashing import hash_file
from understudy.bases.fetching.needed_files import INDEX_FILE, TEXTS, is_of, variant_of
from understudy.bases.fetching.packaged import PACKAGED
from understudy.bases.fetching.safetensors_header import read_header
from understudy.bases.layouts import DRAWING_ENCODER, Family, Layout, find_layout, find_other_part
from understudy.bases.prompting import PROMPTING_FILE
from understudy.domain import UserError
from understudy.events import Notify, ignore

QWEN_SIDE = 128
"""Side in latents of what Qwen-Image's pipelines draw unless they are told otherwise: no config says it."""


def find_base(name: str, notify: Notify = ignore) -> Path:
    """The folder of a base: see `fetch_base`; what is on the disk is found without asking the Hub.

    Raises `UserError` if there is none, if it is of no known family, or if its weights are not safetensors:
    other formats can run code when they are loaded.
    """
    folder = fetch_base(name, notify)
    read_layout(folder)
    return folder


def find_family(name: str, notify: Notify = ignore) -> Family:
    """Of which family a base is; of one that is not known by name the configs are fetched for that.

    Raises `UserError` as `find_base` does.
    """
    known = find_known(name)
    if known is not None and is_in_the_hub(name):
        return known.family
    return read_layout(fetch_configs(name, notify)).family


def read_layout(folder: Path) -> Layout:
    """Of which family the base in a folder is.

    Raises `UserError` where its index names no known pipeline, other classes, or parts that are not there.
    """
    refused = "give a folder with a base in diffusers' layout (see understudy bases)."
    try:
        index = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{folder} is no base ({INDEX_FILE} cannot be read): {refused}") from None
    layout = find_layout(index) if isinstance(index, dict) else None
    unsupported = find_refused(pipeline=index.get("_class_name")) if isinstance(index, dict) else None
    if unsupported is not None:
        raise UserError(say_refused(unsupported))
    if layout is None:
        raise UserError(f"{folder} is no base of a known family (see {INDEX_FILE}): {refused}")
    other = find_other_part(layout, index)
    if other:
        raise UserError(f"{folder} is no {layout.pipeline} ({INDEX_FILE} has another {other}): {refused}")
    missing = [part for part in layout.parts if not (folder / part).is_dir()]
    if missing:
        raise UserError(f"{folder} is not whole ({missing[0]}/ is missing): get the base again.")
    return layout


def name_base(name: str) -> str:
    """The base's name, or the absolute path of its folder or file, so that it is found from anywhere."""
    return name if name in PACKAGED or is_in_the_hub(name) else str(Path(name).expanduser().resolve())


def hash_base(folder: Path) -> str:
    """SHA-256 over the names and contents of all that a base is made of."""
    digest = hashlib.sha256()
    for path in _base_files(folder):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(hash_file(path))
    return digest.hexdigest()


def count_weight_bytes(folder: Path) -> int:
    """How large the weights on the disk are."""
    return sum(path.stat().st_size for path in _base_files(folder) if path.suffix == ".safetensors")


def list_weighted(folder: Path) -> list[str]:
    """The parts of a base that have weights, with those that may be left out where they are not."""
    layout = read_layout(folder)
    there = [
        part for part in layout.optional if not part.startswith("tokenizer") and (folder / part).is_dir()
    ]
    return [*layout.weighted, *there]


def count_weights(folder: Path, part: str) -> int:
    """How many weights a part has, as its files' headers say; 0 where there are no files."""
    variant = variant_of(folder)
    files = [path for path in (folder / part).glob("*.safetensors") if is_of(path.name, variant)]
    return sum(prod(entry.shape) for path in files for entry in read_header(path).values())


def read_config(folder: Path, part: str) -> dict[str, Any]:
    """The config of a base's part, e.g. "vae" or "scheduler"; raises `UserError` where it cannot be read."""
    path = folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read: get the base again.") from error


def find_side_px(folder: Path) -> int:
    """Side of the pictures that a base was trained on: its denoiser says it, in latents, or its encoder."""
    vae = read_config(folder, "vae")
    denoiser = read_config(folder, read_layout(folder).denoiser)
    if "temperal_downsample" in vae:
        return QWEN_SIDE << len(vae["temperal_downsample"])
    if "sample_size" in denoiser:
        return int(denoiser["sample_size"]) << len(vae["block_out_channels"]) - 1
    return int(vae["sample_size"])


def _base_files(folder: Path) -> list[Path]:
    """What is loaded: not the model card, nor weights in other formats and precisions beside it."""
    files = [path for path in (folder / INDEX_FILE, folder / PROMPTING_FILE) if path.exists()]
    layout, variant = read_layout(folder), variant_of(folder)
    others = (part for part in (*layout.optional, DRAWING_ENCODER) if (folder / part).is_dir())
    for part in (*layout.parts, *others):
        files += sorted(path for path in (folder / part).iterdir() if _is_loaded(path, variant))
    return files


def _is_loaded(path: Path, variant: str | None) -> bool:
    return path.suffix in (*TEXTS, ".safetensors") and is_of(path.name, variant)
