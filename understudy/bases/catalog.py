"""Which bases there are, where they lie, and how to tell whether one has changed. Needs no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from understudy.bases.prompting import PROMPTING_FILE
from understudy.domain import UserError
from understudy.recipes import PUPPET

PACKAGED = {PUPPET: Path(__file__).parents[1] / "assets" / "base"}
INDEX_FILE = "model_index.json"
PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
CLASSES = {
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
}
"""(library, class) of the parts, as the index must name them: no other code is ever loaded."""
SHAPE_OF_SD1 = {
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 768,
    "layers_per_block": 2,
    "in_channels": 4,
}
"""What tells its U-Net from others."""
WEIGHTED_PARTS = ("unet", "vae", "text_encoder")


def find_base(name_or_path: str) -> Path:
    """The folder of a base: "puppet" comes with the package, anything else is a folder.

    Raises `UserError` if there is none, if it is not in Stable Diffusion 1.x layout, or if its weights are
    not safetensors: other formats can run code when they are loaded.
    """
    folder = PACKAGED.get(name_or_path, Path(name_or_path))
    if not folder.is_dir():
        if name_or_path in PACKAGED:
            raise UserError(f"The base {name_or_path!r} is missing in this installation: install again.")
        raise UserError(f"There is no base {name_or_path!r}: give {PUPPET!r} or a folder that holds one.")
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    what = f"{missing[0]}/ is missing" if missing else _what_is_other(folder / INDEX_FILE)
    if what:
        raise UserError(f"{folder} is no base in Stable Diffusion 1.x layout ({what}): give another folder.")
    unsafe = [part for part in WEIGHTED_PARTS if not any(map(_is_weights, (folder / part).iterdir()))]
    if unsafe:
        raise UserError(
            f"{folder / unsafe[0]} holds no weights as .safetensors, and others are not loaded: "
            "get the base in that format."
        )
    return folder


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
    """The config of a base's "unet", "vae" or "scheduler"; raises `UserError` where it cannot be read."""
    path = folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read: get the base again.") from error


def find_side_px(folder: Path) -> int:
    """Side of the pictures that a base was trained on."""
    halvings = len(read_config(folder, "vae")["block_out_channels"]) - 1
    return int(read_config(folder, "unet")["sample_size"]) << halvings


def is_stable_diffusion_1(folder: Path) -> bool:
    """Whether a base has not only the layout of Stable Diffusion 1.x, but its very shape."""
    return SHAPE_OF_SD1.items() <= read_config(folder, "unet").items()


def _base_files(folder: Path) -> list[Path]:
    """What is loaded: not the model card, nor weights in other formats and precisions beside it."""
    files = [path for path in (folder / INDEX_FILE, folder / PROMPTING_FILE) if path.exists()]
    for part in PARTS:
        files += sorted(path for path in (folder / part).iterdir() if _is_loaded(path))
    return files


def _is_loaded(path: Path) -> bool:
    is_variant = path.name.count(".") > 1 and path.suffix == ".safetensors"  # e.g. model.fp16.safetensors
    return path.suffix in {".json", ".txt", ".safetensors"} and not is_variant


def _is_weights(path: Path) -> bool:
    return path.suffix == ".safetensors" and _is_loaded(path)


def _what_is_other(index: Path) -> str:
    """What in the index is not Stable Diffusion 1.x, in a few words; empty if nothing is."""
    try:
        found = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{INDEX_FILE} cannot be read"
    if not isinstance(found, dict) or found.get("_class_name") != "StableDiffusionPipeline":
        return f"see {INDEX_FILE}"
    other = [part for part, classes in CLASSES.items() if found.get(part) != classes]
    return f"{INDEX_FILE} has another {other[0]}" if other else ""
