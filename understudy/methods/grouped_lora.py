"""Low-rank adapters beside one frozen denoiser: one, or several, each for its own part of the batch.

The base's layers work on the whole batch at once; each adapter sees its own examples only. The idea is that
of serving many adapters on one base (Chen et al., Punica, arXiv 2310.18547), here for learning them.

One alone computes what the adapter library's own layers compute, but in the precision of the base's numbers,
so that nothing is kept twice for the backward pass, once as the base has it and once for the adapter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from understudy.methods.noise_rank import NoiseHeard, Places, held

DOWN, UP = ".lora_A.default.weight", ".lora_B.default.weight"
"""How the adapter library ends the names of the two weights of a layer."""


@dataclass(frozen=True)
class Adapter:
    """Weights by the adapter library's names, and the factor alpha / rank on what they add.

    `min_rank` is the rank at the highest noise, 0 for the whole one at any: see `noise_rank`.
    """

    weights: Mapping[str, nn.Parameter]
    scale: float
    min_rank: int = 0

    @property
    def rank(self) -> int:
        """How many places the first factors have."""
        return next(len(weight) for name, weight in self.weights.items() if name.endswith(DOWN))


@contextmanager
def adapting(denoiser: nn.Module, adapters: Sequence[Adapter], noise_heard: NoiseHeard) -> Iterator[None]:
    """Within, the first of as many equal parts of every batch is adapted by the first adapter, and so on.

    All adapters must have weights for the same linear layers and convolutions. `noise_heard` says how large a
    share of noise a time of the denoiser's stands for.
    """
    hooks = []
    places = Places([(one.min_rank or one.rank, one.rank) for one in adapters], noise_heard)
    try:
        if any(one.min_rank for one in adapters):
            hooks.append(denoiser.register_forward_pre_hook(places.hear, with_kwargs=True))
        for name in adapters[0].weights:
            if name.endswith(DOWN):
                layer = denoiser.get_submodule(name.removesuffix(DOWN))
                hooks.append(
                    layer.register_forward_hook(_adapt(layer, name.removesuffix(DOWN), adapters, places))
                )
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _adapt(layer: nn.Module, path: str, adapters: Sequence[Adapter], places: Places) -> _Alone | _Beside:
    downs = [one.weights[path + DOWN] for one in adapters]
    ups = [one.weights[path + UP] for one in adapters]
    if len(adapters) == 1:
        return _Alone(downs[0], ups[0], adapters[0].scale, layer, places)
    scales = torch.tensor([one.scale for one in adapters], device=downs[0].device)
    if isinstance(layer, nn.Conv2d):
        return _BesideConvolution(downs, ups, scales, places, layer)
    return _BesideLinear(downs, ups, scales, places)


@dataclass(frozen=True)
class _Alone:
    """What one adapter adds to a linear layer's output, or to a convolution's."""

    down: nn.Parameter
    up: nn.Parameter
    scale: float
    like: nn.Module
    places: Places

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x, like = inputs[0], self.like
        down, up = self.down.to(x.dtype), self.up.to(x.dtype)
        if isinstance(like, nn.Conv2d):
            low = F.conv2d(x, down, None, like.stride, like.padding, like.dilation)
            return output + F.conv2d(self._held(low), up) * self.scale
        return output + F.linear(self._held(F.linear(x, down)), up) * self.scale

    def _held(self, low: Tensor) -> Tensor:
        return held(low, self.places.last[0]) if self.places.last else low


@dataclass(frozen=True)
class _Beside(ABC):
    """What G adapters add to a layer's output: down (R, ...) and up (O, R, ...) of each, and scales (G)."""

    downs: Sequence[nn.Parameter]
    ups: Sequence[nn.Parameter]
    scales: Tensor
    places: Places

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output + self.add(inputs[0]).to(output.dtype)

    @abstractmethod
    def add(self, x: Tensor) -> Tensor:
        """What the adapters add to the output, in its shape."""

    def stack_downs(self, like: Tensor) -> Tensor:
        """(G, R, ...) with the largest rank R: what is missing is zero, adds nothing, and has no gradient."""
        rank = max(len(down) for down in self.downs)
        return torch.stack([_pad(down, rank, 0) for down in self.downs]).to(like.dtype)

    def stack_ups(self, like: Tensor) -> Tensor:
        """(G, O, R), scaled."""
        rank = max(up.shape[1] for up in self.ups)
        ups = torch.stack([_pad(up.flatten(1), rank, 1) for up in self.ups])
        return (ups * self.scales[:, None, None]).to(like.dtype)


@dataclass(frozen=True)
class _BesideLinear(_Beside):
    """x is (G B, ..., I)."""

    def add(self, x: Tensor) -> Tensor:
        x_GNI = x.reshape(len(self.downs), -1, x.shape[-1])
        low_GNR = torch.bmm(x_GNI, self.stack_downs(x).transpose(1, 2))
        for places_BR in self.places.last:
            low_BLR = low_GNR.reshape(len(places_BR), -1, places_BR.shape[1])
            low_GNR = held(low_BLR, places_BR).reshape(low_GNR.shape)
        added = torch.bmm(low_GNR, self.stack_ups(x).transpose(1, 2))
        return added.reshape(*x.shape[:-1], -1)


@dataclass(frozen=True)
class _BesideConvolution(_Beside):
    """x is (G B, I, H, W): the adapters become groups of one convolution, their inputs its channels."""

    like: nn.Conv2d

    def add(self, x: Tensor) -> Tensor:
        num = len(self.downs)
        x_GBIHW = x.reshape(num, -1, *x.shape[1:])
        x_BCHW = x_GBIHW.transpose(0, 1).flatten(1, 2)
        downs = self.stack_downs(x).flatten(0, 1)
        like = self.like
        low = F.conv2d(x_BCHW, downs, None, like.stride, like.padding, like.dilation, num)
        for places_BR in self.places.last:
            places_GBR = places_BR.reshape(num, -1, places_BR.shape[1])
            low = held(low, places_GBR.transpose(0, 1).flatten(1))
        added = F.conv2d(low, self.stack_ups(x).flatten(0, 1)[:, :, None, None], groups=num)
        added_BGOHW = added.reshape(len(added), num, -1, *added.shape[2:])
        return added_BGOHW.transpose(0, 1).flatten(0, 1)


def _pad(weight: Tensor, rank: int, along: int) -> Tensor:
    missing = rank - weight.shape[along]
    if not missing:
        return weight
    shape = [missing if axis == along else size for axis, size in enumerate(weight.shape)]
    return torch.cat([weight, weight.new_zeros(shape)], along)
