"""Casts: random characters with six drawings and some scenes each, as latents, to learn from how to look.

A character follows from its number, and so do its scenes; a shard holds their latents and loss weights.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from understudy.domain import Attributes
from understudy.pretrain.shards import Shards
from understudy.pretrain.strangers import FOR_BASE, Stranger, sample_stranger
from understudy.world.scenes import Painted, paint, possible, sample_attributes

CASTS = 192
"""Characters of a shard."""
DRAWINGS = 6
SCENES = 4
PICTURES = DRAWINGS + SCENES
_VIEWS = ("front", "front", "front", "side", "side", "back")
PORTRAIT = 1
"""Which of the drawings is a portrait."""


@dataclass(frozen=True)
class Cast:
    """A random character, and what its drawings and then its scenes show, each painted from its seed."""

    stranger: Stranger
    wishes: tuple[Attributes, ...]
    seeds: tuple[int, ...]


@lru_cache(maxsize=4096)
def cast(number: int) -> Cast:
    """The character of a number: as the study's six, with poses and moods of their own."""
    rng = random.Random(f"cast {number}")
    stranger = sample_stranger(rng, FOR_BASE)
    drawn = tuple(_drawing(rng, stranger.kind, index) for index in range(DRAWINGS))
    scenes = tuple(sample_attributes(rng, stranger.kind) for _ in range(SCENES))
    return Cast(stranger, drawn + scenes, tuple(rng.randrange(1 << 40) for _ in range(PICTURES)))


def _drawing(rng: random.Random, kind: str, index: int) -> Attributes:
    wish = replace(
        sample_attributes(rng, kind),
        view=_VIEWS[index],
        framing="portrait" if index == PORTRAIT else "full_body",
        place="paper",
    )
    if rng.random() < 0.5:
        wish = replace(wish, pose="standing", prop="none")
    return possible(wish)


class CastStore(Shards):
    """The shards of casts: of each character the drawings, then the scenes."""

    stem = "cast"

    def __init__(self, folder: Path, vae: AutoencoderKL) -> None:
        mixture = f"cast {CASTS} {DRAWINGS} {SCENES} {_VIEWS} {PORTRAIT} {FOR_BASE}"
        super().__init__(folder, vae, mixture)

    def __len__(self) -> int:
        return len(self.latents) * CASTS

    def scenes(self, index: int) -> Iterator[Painted]:
        """See `Shards`."""
        for number in range(index * CASTS, (index + 1) * CASTS):
            who = cast(number)
            for wish, seed in zip(who.wishes, who.seeds, strict=True):
                yield paint(who.stranger.look(), wish, seed)

    def take(self, number: int, pictures: list[int]) -> tuple[Tensor, Tensor]:
        """Latents (P, C, h, w) in fp32 and loss weights (P, 1, h, w) of pictures of a character."""
        shard, place = divmod(number, CASTS)
        rows = torch.tensor([place * PICTURES + one for one in pictures])
        return self.latents[shard][rows].float(), self.weights[shard][rows].float()[:, None]
