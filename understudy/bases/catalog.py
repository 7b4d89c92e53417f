"""Which bases there are, where they lie, and how to tell whether one has changed. Needs no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from understudy.domain import UserError
from understudy.recipes import PUPPET

PACKAGED = {PUPPET: Path(__file__).parents[1] / "assets" / "base"}
INDEX_FILE = "model_index.json"
PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")


def find_base(name_or_path: str) -> Path:
    """The folder of a base: "puppet" comes with the package, anything else is a folder.

    Raises `UserError` if there is none, or if it is not in Stable Diffusion 1.x layout.
    """
    folder = PACKAGED.get(name_or_path, Path(name_or_path))
    if not folder.is_dir():
        if name_or_path in PACKAGED:
            raise UserError(f"The base {name_or_path!r} is missing in this installation: install again.")
        raise UserError(f"There is no base {name_or_path!r}: give {PUPPET!r} or a folder that holds one.")
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if missing or not _is_sd1(folder / INDEX_FILE):
        what = f"{missing[0]}/ is missing" if missing else f"see {INDEX_FILE}"
        raise UserError(f"{folder} is no base in Stable Diffusion 1.x layout ({what}): give another folder.")
    return folder


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


def _base_files(folder: Path) -> list[Path]:
    """What is loaded: not the model card, nor weights in other formats and precisions beside it."""
    files = [folder / INDEX_FILE]
    for part in PARTS:
        files += sorted(path for path in (folder / part).iterdir() if _is_loaded(path))
    return files


def _is_loaded(path: Path) -> bool:
    is_variant = path.name.count(".") > 1 and path.suffix == ".safetensors"  # e.g. model.fp16.safetensors
    return path.suffix in {".json", ".txt", ".safetensors"} and not is_variant


def _is_sd1(index: Path) -> bool:
    try:
        found = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("_class_name") == "StableDiffusionPipeline"
