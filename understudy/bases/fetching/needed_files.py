"""A base's folder in diffusers' layout: which files of a repository belong to it, and what a folder lacks.

Needs no torch. Weights are safetensors alone: other formats can run code when they are loaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from understudy.bases.layouts import DRAWING_ENCODER
from understudy.bases.prompting import PROMPTING_FILE
from understudy.domain import UserError
from understudy.hub import HubFile

INDEX_FILE = "model_index.json"
UNUSED = frozenset({"safety_checker", "feature_extractor", "image_encoder"})
"""Parts that this project never loads."""
WEIGHTED = ("unet", "transformer", "vae", "text_encoder")
"""How the names of parts with weights begin: text_encoder_2 is one, too."""
HALF = "fp16"
WEIGHTS = re.compile(
    r"(diffusion_pytorch_model|model)(\.(?P<variant>\w+))?(-(?P<shard>\d+)-of-\d+)?\.safetensors"
)
SHARDS = re.compile(
    r"(diffusion_pytorch_model|model)(\.(?P<variant>\w+))?\.safetensors\.index(\.(?P<late>\w+))?\.json"
)
"""The list of the files that large weights are split into; some repositories name the variant late."""
NO_WEIGHTS = "there are no weights as .safetensors"
TEXTS = (".json", ".txt", ".jinja")


def read_index(path: Path) -> Mapping[str, object]:
    """What a base's index says; raises `UserError` where it cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: get the base again.") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} is no index of a base: get the base again.")
    return found


def parts_of(index: Mapping[str, object]) -> list[str]:
    """The parts that an index names and that are used."""
    named = (name for name, value in index.items() if isinstance(value, list) and any(value))
    return [name for name in named if name not in UNUSED]


def is_weighted(part: str) -> bool:
    """Whether a part has weights."""
    return part.startswith(WEIGHTED)


def choose_files(files: Iterable[HubFile], index: Mapping[str, object], repository: str) -> list[HubFile]:
    """What of a repository is needed: one precision of each part's weights, and the texts beside them.

    Half precision is chosen where all parts have it. Raises `UserError` where a part has no safetensors.
    """
    by_part: dict[str, list[HubFile]] = {part: [] for part in parts_of(index)}
    chosen = []
    for file in files:
        folder, _, name = file.path.rpartition("/")
        is_read = PurePosixPath(name).suffix in (*TEXTS, ".safetensors")
        if file.path in (INDEX_FILE, PROMPTING_FILE) or (folder == DRAWING_ENCODER and is_read):
            chosen.append(file)
        elif folder in by_part and is_read:
            by_part[folder].append(file)
    weighted = {part: found for part, found in by_part.items() if is_weighted(part)}
    variant = HALF if all(HALF in _variants(_names(found)) for found in weighted.values()) else None
    for part, found in weighted.items():
        if variant not in _variants(_names(found)):
            raise UserError(
                f"{repository} has no weights as .safetensors in {part}/, and others are not loaded: "
                "choose a repository that has them."
            )
    for part, found in by_part.items():
        chosen += [file for file in found if not is_weighted(part) or is_of(_name(file.path), variant)]
    return chosen


def choose_texts(files: Iterable[HubFile], index: Mapping[str, object]) -> list[HubFile]:
    """All but the weights: what a single file with weights is read with."""
    parts = parts_of(index)
    texts = [file for file in files if file.path.endswith(TEXTS) and not SHARDS.fullmatch(_name(file.path))]
    return [one for one in texts if one.path == INDEX_FILE or one.path.rpartition("/")[0] in parts]


def what_is_missing(folder: Path, but_weights: bool = False, left_out: Collection[str] = ()) -> str:
    """What a base's folder lacks to be whole, or whole but for its weights, in a few words; else empty.

    The parts in `left_out` may be missing.
    """
    if not (folder / INDEX_FILE).is_file():
        return f"{INDEX_FILE} is missing"
    variant = variant_of(folder)
    for part in parts_of(read_index(folder / INDEX_FILE)):
        names = _list_names(folder / part)
        if not names and part in left_out:
            continue
        if not names:
            return f"{part}/ is missing"
        if is_weighted(part) and not but_weights:
            lacking = _what_weights_lack(folder / part, names, variant)
            if lacking == NO_WEIGHTS:
                return f"{lacking} in {part}/, and others are not loaded"
            if lacking:
                return f"{part}/{lacking} is missing"
    beside = _list_names(folder / DRAWING_ENCODER)
    if beside and not but_weights and not any(WEIGHTS.fullmatch(name) for name in beside):
        return f"{NO_WEIGHTS} in {DRAWING_ENCODER}/, and others are not loaded"
    return ""


def variant_of(folder: Path) -> str | None:
    """What diffusers must be told as `variant` to load a folder: "fp16" if all parts have such weights.

    So it is chosen by `choose_files`, too; what else came into a shared folder changes nothing.
    """
    parts = [one for one in parts_of(read_index(folder / INDEX_FILE)) if is_weighted(one)]
    found = [_variants(_list_names(folder / part)) for part in parts if (folder / part).is_dir()]
    return HALF if found and all(HALF in one for one in found) else None


def _what_weights_lack(part: Path, names: Sequence[str], variant: str | None) -> str:
    weights = [name for name in names if WEIGHTS.fullmatch(name) and is_of(name, variant)]
    if not weights:
        return NO_WEIGHTS
    if not any(_is_shard(name) for name in weights):
        return ""
    lists = [name for name in names if SHARDS.fullmatch(name) and is_of(name, variant)]
    if not lists:
        return "the index of its .safetensors files"
    wanted = read_index(part / lists[0]).get("weight_map")
    shards = set(wanted.values()) if isinstance(wanted, dict) else set()
    return min(shards - set(names), default="")


def _list_names(folder: Path) -> list[str]:
    """Files that are there; a link to what was never fetched is not."""
    return sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _names(files: Iterable[HubFile]) -> list[str]:
    return [_name(file.path) for file in files]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _variants(names: Iterable[str]) -> set[str | None]:
    matches = (WEIGHTS.fullmatch(name) for name in names)
    return {match["variant"] for match in matches if match}


def _is_shard(name: str) -> bool:
    match = WEIGHTS.fullmatch(name)
    return match is not None and match["shard"] is not None


def is_of(name: str, variant: str | None) -> bool:
    """Whether a file is of that variant, or of none in particular: a config or a vocabulary."""
    match = WEIGHTS.fullmatch(name)
    if match:
        return bool(match["variant"] == variant)
    listing = SHARDS.fullmatch(name)
    if listing:
        return bool((listing["variant"] or listing["late"]) == variant)
    return not name.endswith(".safetensors")
