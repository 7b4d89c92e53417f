"""A LoRA on another base than it was learned on: one with the same layers, as FLUX.1 Kontext has FLUX.1's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from understudy.bases.catalog import find_base, find_family, hash_base, name_base, read_layout
from understudy.bases.fetching.safetensors_header import Header, read_header
from understudy.bases.hollow import open_hollow
from understudy.bases.layouts import Family
from understudy.bases.opening import find_kind
from understudy.bases.relatives import find_takers
from understudy.domain import UserError
from understudy.events import Notify, ignore
from understudy.methods.adapters import WEIGHTS_FILE
from understudy.methods.learned_words import WORD_FILE
from understudy.methods.opening import base_of
from understudy.recipes import Adapting
from understudy.runs import Manifest, Plan, Run, StrPath, open_run

LORA = ("lora", "dora", "rslora")
DOWN, UP, MAGNITUDE = ".lora_A.", ".lora_B.", ".lora_magnitude_vector"
INNER = "text_model."
"""What files name in a text encoder, and later releases of transformers do not."""


@dataclass(frozen=True)
class OnAnotherBase(Run):
    """A run for drawing alone, whose manifest names `base` in the place of what it was `learned_on`."""

    base: str
    base_sha256: str

    @property
    def manifest(self) -> Manifest:
        """The run's, but for the base."""
        return self.learned_on.model_copy(update={"base": self.base, "base_sha256": self.base_sha256})

    @property
    def learned_on(self) -> Manifest:
        """The run's own."""
        return super().manifest


def on_another_base(run: StrPath, name: str, notify: Notify = ignore) -> Run:
    """The run, to be drawn on the base of this name or in this folder; itself where that is its own.

    The base is fetched if it is not there. Raises `UserError` where it does not take what was learned.
    """
    opened = open_run(run)
    own = base_of(opened)
    recipe = opened.recipe
    if not isinstance(recipe, Adapting) or recipe.adapter not in LORA:
        raise UserError(
            f"Only LoRA is drawn on another base, and {opened.folder} learned none: leave --base out."
        )
    _check_family(find_family(own, notify), find_family(name, notify), name)  # before it is fetched
    folder = find_base(name, notify)
    found = hash_base(folder)
    if found == opened.manifest.base_sha256:
        return opened
    newest = opened.newest()
    unfit = "" if newest is None else find_unfit(folder, newest.folder, recipe)
    if unfit:
        raise UserError(
            f"{name} does not take the LoRA of {opened.folder}, since its {unfit} has another "
            f"shape: give --base one as large as {Path(own).name}, or leave it out."
        )
    return OnAnotherBase(opened.folder, name_base(name), found)


def _check_family(own: Family, other: Family, name: str) -> None:
    takers = find_takers(own)
    if other not in takers:
        raise UserError(
            f"{name} is of the family {other}, which takes no LoRA that was learned on {own}: give --base "
            f"one of {' or '.join(takers)}, or leave it out."
        )


def find_unfit(base: Path, checkpoint: Path, recipe: Adapting) -> str:
    """The first part of a base that has another shape than what was learned for it; empty where all fits.

    Read are shapes alone, of the base in a folder and of the files of a checkpoint.
    """
    kind = find_kind(read_layout(base).family)
    readers = dict.fromkeys((*kind.text_parts, *kind.word_parts))
    hollow = open_hollow(base, Plan(device="cpu", precision="fp32", threads=1), readers=[*readers])
    networks = {part: hollow.part(part) for part in (kind.denoiser_part, *readers)}
    unfit = _find_unfit_layer(networks, read_header(checkpoint / WEIGHTS_FILE))
    if unfit or not recipe.vectors:
        return unfit
    words = read_header(checkpoint / WORD_FILE)
    # By name where several readers have vectors, for a file sorts its names; else the file has but one.
    names = kind.word_parts if len(kind.word_parts) > 1 else dict(zip(kind.word_parts, words, strict=True))
    fits = all(words[name].shape[-1] == _width_of_words(networks[part]) for part, name in names.items())
    return "" if fits else "text encoder"


def _find_unfit_layer(networks: dict[str, nn.Module], learned: Header) -> str:
    layers = {
        f"{part}.{name.removeprefix(INNER)}": layer
        for part, network in networks.items()
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    }
    for name, entry in learned.items():
        path, kind = _split(name, (DOWN, UP, MAGNITUDE))
        layer = layers.get(path.replace(f".{INNER}", ".", 1))
        if layer is None:
            return path
        shape = tuple(layer.weight.shape)
        fits = entry.shape[1:] == shape[1:] if kind == DOWN else entry.shape[:1] == shape[:1]
        if not fits and not (kind == MAGNITUDE and shape[0] in entry.shape):
            return path
    return ""


def _split(name: str, kinds: Iterable[str]) -> tuple[str, str]:
    return next(((name.partition(kind)[0], kind) for kind in kinds if kind in name), (name, ""))


def _width_of_words(reader: nn.Module) -> int:
    embedding = reader.get_input_embeddings()  # type: ignore[operator]
    return int(embedding.weight.shape[1])
