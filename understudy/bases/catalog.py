"""Which bases there are, where they lie, and how to tell whether one has changed. Needs no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from understudy.bases.layouts import Layout, find_layout, find_other_part
from understudy.bases.prompting import PROMPTING_FILE
from understudy.domain import UserError
from understudy.recipes import PUPPET

PACKAGED = {PUPPET: Path(__file__).parents[1] / "assets" / "base"}
INDEX_FILE = "model_index.json"


def find_base(name_or_path: str) -> Path:
    """The folder of a base: "puppet" comes with the package, anything else is a folder.

    Raises `UserError` if there is none, if it is of no known family, or if its weights are not safetensors:
    other formats can run code when they are loaded.
    """
    folder = PACKAGED.get(name_or_path, Path(name_or_path))
    if not folder.is_dir():
        if name_or_path in PACKAGED:
            raise UserError(f"The base {name_or_path!r} is missing in this installation: install again.")
        raise UserError(f"There is no base {name_or_path!r}: give {PUPPET!r} or a folder that holds one.")
    layout = read_layout(folder)
    unsafe = [part for part in layout.weighted if not any(map(_is_weights, (folder / part).iterdir()))]
    if unsafe:
        raise UserError(
            f"{folder / unsafe[0]} holds no weights as .safetensors, and others are not loaded: "
            "get the base in that format."
        )
    return folder


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
    if layout is None:
        raise UserError(f"{folder} is no base of a known family (see {INDEX_FILE}): {refused}")
    other = find_other_part(layout, index)
    if other:
        raise UserError(f"{folder} is no {layout.pipeline} ({INDEX_FILE} has another {other}): {refused}")
    missing = [part for part in layout.parts if not (folder / part).is_dir()]
    if missing:
        raise UserError(f"{folder} is not whole ({missing[0]}/ is missing): get the base again.")
    return layout


def name_base(name_or_path: str) -> str:
    """The base's name, or the absolute path of its folder, so that it is found from anywhere."""
    return name_or_path if name_or_path in PACKAGED else str(Path(name_or_path).resolve())


def hash_base(folder: Path) -> str:
    """SHA-256 over the names and contents of all that a base is made of."""
    digest = hashlib.sha256()
    for path in _base_files(folder):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def count_weight_bytes(folder: Path) -> int:
    """How large the weights on the disk are."""
    return sum(path.stat().st_size for path in _base_files(folder) if path.suffix == ".safetensors")


def read_config(folder: Path, part: str) -> dict[str, Any]:
    """The config of a base's part, e.g. "vae" or "scheduler"; raises `UserError` where it cannot be read."""
    path = folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read: get the base again.") from error


def find_side_px(folder: Path) -> int:
    """Side of the pictures that a base was trained on: its denoiser says it, in latents, or its encoder."""
    denoiser = read_config(folder, read_layout(folder).denoiser)
    autoencoder = read_config(folder, "vae")
    if "sample_size" in denoiser:
        return int(denoiser["sample_size"]) << (len(autoencoder["block_out_channels"]) - 1)
    return int(autoencoder["sample_size"])


def _base_files(folder: Path) -> list[Path]:
    """What is loaded: not the model card, nor weights in other formats and precisions beside it."""
    files = [path for path in (folder / INDEX_FILE, folder / PROMPTING_FILE) if path.exists()]
    layout = read_layout(folder)
    for part in (*layout.parts, *(part for part in layout.optional if (folder / part).is_dir())):
        files += sorted(path for path in (folder / part).iterdir() if _is_loaded(path))
    return files


def _is_loaded(path: Path) -> bool:
    is_variant = path.name.count(".") > 1 and path.suffix == ".safetensors"  # e.g. model.fp16.safetensors
    return path.suffix in {".json", ".txt", ".safetensors"} and not is_variant


def _is_weights(path: Path) -> bool:
    return path.suffix == ".safetensors" and _is_loaded(path)
