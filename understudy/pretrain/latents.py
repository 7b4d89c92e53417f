"""The denoiser's training set: pictures of the world as latents, a shard at a time, each made from its seed.

A shard holds only latents and loss weights; what a picture shows follows from its number again, so that every
use of it can be captioned anew.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from understudy.domain import Attributes
from understudy.pretrain.strangers import FOR_BASE, Stranger, sample_stranger
from understudy.pretrain.text import world_roster
from understudy.world.canvas import FACE_PARTS, PART_INDEX, PARTS
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


class LatentStore:
    """Shards of latents in a folder, made when first asked for and kept in memory.

    Raises `ValueError` where the shards were made by another encoder, or of another mixture of pictures; the
    decoder may change.
    """

    def __init__(self, folder: Path, vae: AutoencoderKL) -> None:
        self.folder = folder
        self.vae = vae
        folder.mkdir(parents=True, exist_ok=True)
        refuse_others(folder, vae, f"scene {STRANGER_SHARE} {NAMED_SHARE} {NUM_NAMED_STRANGERS} {FOR_BASE}")
        self._latents: list[Tensor] = []
        self._weights: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._latents) * SHARD

    def grow_to(self, num_shards: int) -> None:
        """Load or make shards until there are `num_shards`."""
        while len(self._latents) < num_shards:
            path = self.folder / f"shard-{len(self._latents):04d}.safetensors"
            if not path.exists():
                make_shard(path, len(self._latents), self.vae)
            tensors = load_file(path)
            self._latents.append(tensors["latents"])
            self._weights.append(tensors["weights"])

    def take(self, numbers: list[int]) -> tuple[Tensor, Tensor]:
        """Latents (B, C, h, w) in fp32 and loss weights (B, 1, h, w) of pictures by number."""
        latents = torch.stack([self._latents[n // SHARD][n % SHARD] for n in numbers]).float()
        weights = torch.stack([self._weights[n // SHARD][n % SHARD] for n in numbers]).float()
        return latents, weights[:, None]


def refuse_others(folder: Path, vae: AutoencoderKL, mixture: str) -> None:
    """Raise `ValueError` where a folder's latents were made by another encoder, or of another mixture."""
    made_by, digest = folder / "encoder.sha256", _digest(vae, mixture)
    if not made_by.exists():
        made_by.write_text(digest)
    if made_by.read_text() != digest:
        raise ValueError(f"{folder} holds latents of another encoder or mixture: give another folder.")


def _digest(vae: AutoencoderKL, mixture: str) -> str:
    found = hashlib.sha256(mixture.encode())
    making = {name: w for name, w in vae.state_dict().items() if name.startswith(("encoder.", "quant_conv."))}
    for name, tensor in sorted(making.items()):
        found.update(name.encode())
        found.update(tensor.float().contiguous().numpy().tobytes())
    return found.hexdigest()


def make_shard(path: Path, index: int, vae: AutoencoderKL) -> None:
    """Paint and encode the pictures of one shard."""
    encode_scenes((painted(number) for number in range(index * SHARD, (index + 1) * SHARD)), vae, path)


@torch.no_grad()
def encode_scenes(scenes: Iterable[Painted], vae: AutoencoderKL, path: Path, batch: int = 16) -> None:
    """Write scenes as `latents` (N, C, h, w) and loss `weights` (N, h, w) in bfloat16, all or nothing."""
    latents, weights = [], []
    for some in batched(scenes, batch):
        images = (
            torch.from_numpy(np.stack([scene.pixels for scene in some])).permute(0, 3, 1, 2).float() / 127.5
            - 1
        )
        mean = vae.encode(images.contiguous(memory_format=torch.channels_last)).latent_dist.mean
        latents.append((mean * vae.config.scaling_factor).to(torch.bfloat16))
        weights.append(
            torch.stack([cell_weights(scene, mean.shape[-1]) for scene in some]).to(torch.bfloat16)
        )
    part = path.with_suffix(".part")
    save_file({"latents": torch.cat(latents).contiguous(), "weights": torch.cat(weights)}, part)
    part.replace(path)


def batched(scenes: Iterable[Painted], batch: int) -> Iterator[list[Painted]]:
    """As `itertools.batched`, which Python 3.11 has not."""
    rest = iter(scenes)
    while some := list(islice(rest, batch)):
        yield some


def cell_weights(scene: Painted, cells: int) -> Tensor:
    """How much each latent cell (cells, cells) counts: paper 1, figure up to 3, face and props up to 6."""
    values = np.full(len(PARTS), 3.0, np.float32)
    values[[PART_INDEX["paper"], PART_INDEX["scenery"]]] = 1.0
    values[[PART_INDEX[name] for name in FACE_PARTS]] = 12.0
    side = scene.parts.shape[0] // cells
    blocks = values[scene.parts].reshape(cells, side, cells, side).mean(axis=(1, 3))
    return torch.from_numpy(np.minimum(blocks, 6.0))
