"""The denoiser's training set: pictures of the world as latents, a shard at a time, each made from its seed.

A shard holds only latents and loss weights; what a picture shows follows from its number again, so that every
use of it can be captioned anew.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from understudy.domain import Attributes
from understudy.pretrain.shards import Shards
from understudy.pretrain.strangers import FOR_BASE, Stranger, sample_stranger
from understudy.pretrain.text import world_roster
from understudy.world.captions import sample_caption
from understudy.world.characters import look_of, sample_traits
from understudy.world.names import invent_name
from understudy.world.puppet import Look
from understudy.world.scenes import Painted, paint, sample_attributes

SHARD = 2048
STRANGER_SHARE = 0.6
"""How many pictures show strangers: a base that knows but five kinds has no shapes for a user's character."""
NAMED_SHARE = 0.3
"""How many of the rest, and of the strangers, have a name that stands for all their looks."""
NUM_NAMED_STRANGERS = 1000


@dataclass(frozen=True)
class Shown:
    """What training picture `number` shows: a character of the world, told by its traits, or a stranger, of
    whom words can tell the kind and the name only."""

    attributes: Attributes
    traits: Mapping[str, str]
    name: str | None
    stranger: Stranger | None = None

    def look(self) -> Look:
        """What the puppet needs to be painted."""
        return look_of(self.traits) if self.stranger is None else self.stranger.look()


def shown(number: int) -> Shown:
    """The content of a training picture, from its number alone."""
    rng = random.Random(f"scene {number}")
    is_stranger, is_named = rng.random() < STRANGER_SHARE, rng.random() < NAMED_SHARE
    if is_stranger:
        name, stranger = rng.choice(_strangers()) if is_named else (None, sample_stranger(rng, FOR_BASE))
        attributes = sample_attributes(rng, stranger.kind)
        return Shown(attributes, {"kind": stranger.kind}, name, stranger)
    if is_named:
        known = rng.choice(_ROSTER)
        attributes = sample_attributes(rng, known.kind)
        return Shown(attributes, {"kind": known.kind, **known.traits}, known.name)
    traits = sample_traits(rng)
    return Shown(sample_attributes(rng, traits["kind"]), traits, None)


def painted(number: int) -> Painted:
    """The training picture itself."""
    what = shown(number)
    return paint(what.look(), what.attributes, number)


@cache
def _strangers() -> tuple[tuple[str, Stranger], ...]:
    """The strangers that the base knows by name, none of which is the name of one of the roster."""
    taken = {known.name for known in _ROSTER}
    rng = random.Random("named strangers")
    found: dict[str, Stranger] = {}
    while len(found) < NUM_NAMED_STRANGERS:
        name = invent_name(rng)
        if name not in taken:
            found.setdefault(name, sample_stranger(rng, FOR_BASE))
    return tuple(found.items())


def caption_of(what: Shown, seed: str) -> str:
    """One of the picture's many captions; a tenth of them say nothing."""
    traits = {name: value for name, value in what.traits.items() if name != "kind"}
    return sample_caption(what.attributes, traits, random.Random(seed), what.name).text


_ROSTER = world_roster()


class LatentStore(Shards):
    """The shards of the world's pictures, of strangers among them."""

    stem = "shard"

    def __init__(self, folder: Path, vae: AutoencoderKL) -> None:
        mixture = f"scene {STRANGER_SHARE} {NAMED_SHARE} {NUM_NAMED_STRANGERS} {FOR_BASE}"
        super().__init__(folder, vae, mixture)

    def __len__(self) -> int:
        return len(self.latents) * SHARD

    def scenes(self, index: int) -> Iterator[Painted]:
        """See `Shards`."""
        return (painted(number) for number in range(index * SHARD, (index + 1) * SHARD))

    def take(self, numbers: list[int]) -> tuple[Tensor, Tensor]:
        """Latents (B, C, h, w) in fp32 and loss weights (B, 1, h, w) of pictures by number."""
        latents = torch.stack([self.latents[n // SHARD][n % SHARD] for n in numbers]).float()
        weights = torch.stack([self.weights[n // SHARD][n % SHARD] for n in numbers]).float()
        return latents, weights[:, None]
