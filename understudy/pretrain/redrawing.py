"""Pictures as the base's autoencoder gives them back: what the judge will mostly see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from understudy.domain import Pixels


class Autoencoded:
    """Encodes pictures (192, 192, 3) and decodes them with some noise on the latents, as from a denoiser."""

    def __init__(self, folder: Path, most_noise: float = 0.25, seed: int = 0) -> None:
        self.model = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32).eval()
        self.model.to(memory_format=torch.channels_last)
        self.most_noise = most_noise
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """Same sizes; a few pictures at a time."""
        made: list[Pixels] = []
        for start in range(0, len(pictures), 8):
            batch = torch.from_numpy(np.stack(pictures[start : start + 8])).permute(0, 3, 1, 2)
            made += list(self._redraw(batch.float() / 127.5 - 1))
        return made

    @torch.no_grad()
    def _redraw(self, images: Tensor) -> Pixels:
        latents = self.model.encode(images.contiguous(memory_format=torch.channels_last)).latent_dist.mean
        strength = self.most_noise * torch.rand(len(images), 1, 1, 1, generator=self.generator).square()
        noise = torch.randn(latents.shape, generator=self.generator)
        decoded = self.model.decode(latents + strength * latents.std() * noise).sample.clamp(-1, 1)
        pixels: Pixels = ((decoded + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        return pixels
