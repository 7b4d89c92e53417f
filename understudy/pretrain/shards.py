"""Files of latents and loss weights that the denoiser learns from, painted and encoded when asked for."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from understudy.world.canvas import FACE_PARTS, PART_INDEX, PARTS
from understudy.world.scenes import Painted


class Shards(ABC):
    """Shards in a folder, kept in memory: `latents` (N, C, h, w) and `weights` (N, h, w) of each in bfloat16.

    Raises `ValueError` where they were made by another encoder, or of another `mixture` of pictures; the
    decoder may change.
    """

    stem: ClassVar[str]
    """What the files' names begin with."""

    def __init__(self, folder: Path, vae: AutoencoderKL, mixture: str) -> None:
        self.folder, self.vae = folder, vae
        self.latents: list[Tensor] = []
        self.weights: list[Tensor] = []
        folder.mkdir(parents=True, exist_ok=True)
        made_by, digest = folder / "encoder.sha256", _digest(vae, mixture)
        if not made_by.exists():
            made_by.write_text(digest)
        if made_by.read_text() != digest:
            raise ValueError(f"{folder} holds latents of another encoder or mixture: give another folder.")

    @abstractmethod
    def scenes(self, index: int) -> Iterator[Painted]:
        """The pictures of a shard."""

    def grow_to(self, num_shards: int) -> None:
        """Load or make shards until there are `num_shards`."""
        while len(self.latents) < num_shards:
            tensors = load_file(self.made(len(self.latents)))
            self.latents.append(tensors["latents"])
            self.weights.append(tensors["weights"])

    def made(self, index: int) -> Path:
        """A shard's file, painted and encoded where it is not there."""
        path = self.folder / f"{self.stem}-{index:04d}.safetensors"
        if not path.exists():
            _encode(self.scenes(index), self.vae, path)
        return path


def _digest(vae: AutoencoderKL, mixture: str) -> str:
    found = hashlib.sha256(mixture.encode())
    making = {name: w for name, w in vae.state_dict().items() if name.startswith(("encoder.", "quant_conv."))}
    for name, tensor in sorted(making.items()):
        found.update(name.encode())
        found.update(tensor.float().contiguous().numpy().tobytes())
    return found.hexdigest()


@torch.no_grad()
def _encode(scenes: Iterable[Painted], vae: AutoencoderKL, path: Path, batch: int = 16) -> None:
    """Write scenes as `latents` (N, C, h, w) and loss `weights` (N, h, w) in bfloat16, all or nothing."""
    latents, weights = [], []
    for some in _batched(scenes, batch):
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


def _batched(scenes: Iterable[Painted], batch: int) -> Iterator[list[Painted]]:
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
