"""The two players of a GAN: one makes a picture of a latent, the other scores pictures.

Sources: Radford et al., DCGAN, arXiv 1511.06434; Liu et al., FastGAN, arXiv 2101.04775, without its noise
injection, so that a picture comes from its latent alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

LEAK = 0.2
MOST_WIDTHS = 8
"""A coarse level has at most this many times the channels of the finest."""
FIRST_PX = 4
SKIP = 16
"""Skip-layer excitation reaches from a level to the one this many times finer."""


@dataclass(frozen=True)
class Shape:
    """What decides a generator's form: channels are `width` at the finest level, twice that one coarser."""

    network: Literal["dcgan", "fastgan"]
    size_px: int
    width: int
    latent: int

    def channels(self, side_px: int) -> int:
        """At the level with this side."""
        return self.width * min(MOST_WIDTHS, self.size_px // side_px)


@dataclass(frozen=True)
class Opinion:
    """What the second player says of pictures: `scores`, and its own redrawings beside what they are of."""

    scores: Tensor
    redrawn: tuple[tuple[Tensor, Tensor], ...] = ()


class Scorer(nn.Module, ABC):
    """The second player."""

    @abstractmethod
    def forward(self, pictures_B3HW: Tensor, quarter: int | None = None) -> Opinion:
        """Score pictures; with a `quarter` (0 to 3) it also redraws the whole and that quarter."""


def make_generator(shape: Shape) -> nn.Module:
    """Latents (B, latent) to pictures (B, 3, size, size) in -1 ... 1."""
    return DcganGenerator(shape) if shape.network == "dcgan" else FastGenerator(shape)


def make_scorer(shape: Shape) -> Scorer:
    """The player that tells pictures from drawings."""
    return DcganScorer(shape) if shape.network == "dcgan" else FastScorer(shape)


def set_weights(network: nn.Module, deviation: float) -> None:
    """Normal weights, and scales around 1, as DCGAN begins with; 0 leaves each layer's own."""
    if deviation == 0:
        return
    for module in network.modules():
        if is_parametrized(module):
            continue  # spectral normalisation takes the scale away again
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, deviation)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, deviation)


class DcganGenerator(nn.Module):
    """Transposed convolutions, each twice as fine."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        sides = _sides(FIRST_PX, shape.size_px // 2)
        channels = [shape.channels(2 * side) for side in sides]
        layers: list[nn.Module] = [nn.ConvTranspose2d(shape.latent, channels[0], FIRST_PX, bias=False)]
        for coarse, fine in pairwise(channels):
            layers += [nn.BatchNorm2d(coarse), nn.LeakyReLU(LEAK)]
            layers += [nn.ConvTranspose2d(coarse, fine, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(channels[-1]), nn.LeakyReLU(LEAK)]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(channels[-1], 3, 4, 2, 1), nn.Tanh())

    def forward(self, latents_BL: Tensor) -> Tensor:
        """See `make_generator`."""
        pictures: Tensor = self.layers(latents_BL[:, :, None, None])
        return pictures


class DcganScorer(Scorer):
    """Convolutions, each half as fine, to one score for a picture; it redraws nothing."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        sides = _sides(FIRST_PX, shape.size_px // 2)[::-1]
        channels = [shape.channels(2 * side) for side in sides]
        layers: list[nn.Module] = [nn.Conv2d(3, channels[0], 4, 2, 1), nn.LeakyReLU(LEAK)]
        for fine, coarse in pairwise(channels):
            layers += [nn.Conv2d(fine, coarse, 4, 2, 1, bias=False), nn.BatchNorm2d(coarse)]
            layers += [nn.LeakyReLU(LEAK)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, FIRST_PX))

    def forward(self, pictures_B3HW: Tensor, quarter: int | None = None) -> Opinion:
        """One score each."""
        return Opinion(self.layers(pictures_B3HW))


class FastGenerator(nn.Module):
    """Gated convolutions; coarse levels weigh the channels of fine ones (FastGAN, section 3.1)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        first = shape.channels(FIRST_PX)
        self.first = nn.Sequential(
            nn.ConvTranspose2d(shape.latent, 2 * first, FIRST_PX, bias=False),
            nn.BatchNorm2d(2 * first),
            nn.GLU(dim=1),
        )
        sides = _sides(2 * FIRST_PX, shape.size_px)
        self.finer = nn.ModuleList(
            _upsampling(shape.channels(side // 2), shape.channels(side)) for side in sides
        )
        self.skips = nn.ModuleDict(
            {
                str(side): _skip(shape.channels(side // SKIP), shape.channels(side))
                for side in sides
                if side >= SKIP * FIRST_PX
            }
        )
        self.to_colours = nn.Conv2d(shape.width, 3, 3, padding=1)

    def forward(self, latents_BL: Tensor) -> Tensor:
        """See `make_generator`."""
        features: Tensor = self.first(latents_BL[:, :, None, None])
        levels = {FIRST_PX: features}
        for finer in self.finer:
            features = finer(features)
            side = features.shape[-1]
            if str(side) in self.skips:
                features = features * self.skips[str(side)](levels[side // SKIP])
            levels[side] = features
        return torch.tanh(self.to_colours(features))


class FastScorer(Scorer):
    """Scores places of a picture, and must keep enough of it to redraw it (FastGAN, section 3.2)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        half = shape.size_px // 2
        self.first = nn.Sequential(
            spectral_norm(nn.Conv2d(3, shape.channels(half), 4, 2, 1)), nn.LeakyReLU(LEAK)
        )
        self.to_16 = nn.Sequential(
            *(
                _Downsampling(shape.channels(2 * side), shape.channels(side))
                for side in _sides(16, half // 2)[::-1]
            )
        )
        self.to_8 = _Downsampling(shape.channels(16), shape.channels(8))
        top = shape.channels(8)
        self.score = nn.Sequential(
            spectral_norm(nn.Conv2d(top, top, 1)), nn.LeakyReLU(LEAK), spectral_norm(nn.Conv2d(top, 1, 4))
        )
        # Half as fine as the picture is enough to show that nothing was forgotten.
        self.redraw_whole = _redrawing(top, shape.width, 8, half)
        self.redraw_quarter = _redrawing(shape.channels(16), shape.width, 8, half)

    def forward(self, pictures_B3HW: Tensor, quarter: int | None = None) -> Opinion:
        """A score for each of 5 x 5 places."""
        at_16 = self.to_16(self.first(pictures_B3HW))
        at_8 = self.to_8(at_16)
        scores = self.score(at_8)
        if quarter is None:
            return Opinion(scores)
        part, part_16 = _quarter(pictures_B3HW, quarter), _quarter(at_16, quarter)
        whole = F.avg_pool2d(pictures_B3HW, 2)
        return Opinion(scores, ((self.redraw_whole(at_8), whole), (self.redraw_quarter(part_16), part)))


class _Downsampling(nn.Module):
    """Two ways at half the side, averaged: one that sees edges, one that keeps colours."""

    def __init__(self, fine: int, coarse: int) -> None:
        super().__init__()
        self.sharp = nn.Sequential(
            spectral_norm(nn.Conv2d(fine, coarse, 4, 2, 1)),
            nn.LeakyReLU(LEAK),
            spectral_norm(nn.Conv2d(coarse, coarse, 3, padding=1)),
            nn.LeakyReLU(LEAK),
        )
        self.plain = nn.Sequential(
            nn.AvgPool2d(2), spectral_norm(nn.Conv2d(fine, coarse, 1)), nn.LeakyReLU(LEAK)
        )

    def forward(self, features: Tensor) -> Tensor:
        mixed: Tensor = (self.sharp(features) + self.plain(features)) / 2
        return mixed


def _upsampling(coarse: int, fine: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.Conv2d(coarse, 2 * fine, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * fine),
        nn.GLU(dim=1),
    )


def _skip(coarse: int, fine: int) -> nn.Sequential:
    """One factor in 0 ... 1 for each fine channel, from a coarse level of any size."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(FIRST_PX),
        nn.Conv2d(coarse, fine, FIRST_PX),
        nn.LeakyReLU(LEAK),
        nn.Conv2d(fine, fine, 1),
        nn.Sigmoid(),
    )


def _redrawing(channels: int, width: int, from_px: int, to_px: int) -> nn.Sequential:
    sides = _sides(2 * from_px, to_px)
    layers: list[nn.Module] = []
    for _ in sides:
        layers.append(_upsampling(channels, width))
        channels = width
    return nn.Sequential(*layers, nn.Conv2d(channels, 3, 3, padding=1), nn.Tanh())


def _quarter(pictures: Tensor, quarter: int) -> Tensor:
    half = pictures.shape[-1] // 2
    top, left = divmod(quarter, 2)
    return pictures[:, :, top * half : (top + 1) * half, left * half : (left + 1) * half]


def _sides(first: int, last: int) -> list[int]:
    """`first`, twice that, ... up to `last`; none where `last` is smaller."""
    sides = []
    while first <= last:
        sides.append(first)
        first *= 2
    return sides
