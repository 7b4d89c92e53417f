"""A LoRA whose rank falls with noise, so that what overfits, the highest noise, has least room for it.

Source: Soboleva et al., T-LoRA, arXiv 2507.05964, equation 4: r(t) = floor((r - r_min)(T - t)/T) + r_min.
Here every example of a batch has the rank of its own time, and its weights begin as LoRA's do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

NoiseHeard = Callable[[Tensor], Tensor]


def of_a_thousand(time: Tensor) -> Tensor:
    """The share of noise that a time of a U-Net's stands for, and of SD 3's."""
    return time.float() / 1000


def follow_noise(
    denoiser: nn.Module, min_rank: int, rank: int, noise_heard: NoiseHeard = of_a_thousand
) -> None:
    """From now on all LoRA layers of a denoiser have, in every call, the rank of the time that it is given.

    So a plain pipeline that has loaded such an adapter, unfused, draws what `understudy.draw` does.
    `noise_heard` says how large a share of noise, 0 to 1, a time of the denoiser's stands for; others than
    U-Nets and SD 3 count otherwise. Raises `ValueError` where no adapter is on the denoiser yet.
    """
    places = Places([(min_rank, rank)], noise_heard)
    denoiser.register_forward_pre_hook(places.hear, with_kwargs=True)
    layers = [layer for layer in denoiser.modules() if isinstance(layer, LoraLayer)]
    if not layers:
        raise ValueError("There is no adapter whose rank could follow the noise: load it first.")
    for layer in layers:
        for down in layer.lora_A.values():
            down.register_forward_hook(places.hold)


def fuse_by_noise(denoiser: nn.Module, min_rank: int, rank: int, noise_heard: NoiseHeard) -> None:
    """As `follow_noise`, but in the layers' own weights, which change with the rank; no adapter stays.

    Faster than beside them, as a rank stays for some steps. All examples of a call must have one time, as a
    pipeline's have, and nothing else may change these weights.
    """
    fused = [_Fused.of(layer) for layer in denoiser.modules() if isinstance(layer, LoraLayer)]
    denoiser.unload_lora()  # type: ignore[operator]
    last: list[int] = []

    def hear(denoiser: nn.Module, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        ranks = sorted(set(rank_at(noise_heard(time_of(arguments, named)), min_rank, rank).tolist()))
        if len(ranks) > 1:
            raise ValueError("Examples of several times have no rank in common: leave the adapter unfused.")
        if ranks != last:
            last[:] = ranks
            for one in fused:
                one.change(ranks[0])

    denoiser.register_forward_pre_hook(hear, with_kwargs=True)


@dataclass(frozen=True)
class _Fused:
    """A layer's weight, as it is now and without its adapter, and the adapter's factors (R, I), (O, R)."""

    weight: nn.Parameter
    plain: Tensor
    down: Tensor
    up: Tensor

    @staticmethod
    def of(layer: LoraLayer) -> _Fused:
        ((name, down),) = layer.lora_A.items()
        weight = layer.get_base_layer().weight
        up = layer.lora_B[name].weight.detach().flatten(1) * layer.scaling[name]
        return _Fused(weight, weight.detach().clone(), down.weight.detach().flatten(1), up)

    @torch.no_grad()
    def change(self, rank: int) -> None:
        """Add the first `rank` places of the adapter, and no others."""
        added = (self.up[:, :rank] @ self.down[:rank]).view_as(self.plain)
        self.weight.copy_(self.plain + added.to(self.plain.dtype))


def rank_at(noise_B: Tensor, min_rank: int, rank: int) -> Tensor:
    """The equation's r(t) for each share of noise t / T: (B) whole numbers."""
    return torch.floor((rank - min_rank) * (1 - noise_B) + 1e-4).long() + min_rank


def places_at(noise_B: Tensor, min_rank: int, rank: int, width: int) -> Tensor:
    """(B, width): 1 for each place of a rank that counts at its noise, else 0."""
    ranks_B = rank_at(noise_B, min_rank, rank)
    return (torch.arange(width, device=ranks_B.device) < ranks_B[:, None]).float()


def time_of(arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Tensor:
    """The times (B or 1) that a denoiser is called with, whatever its family."""
    return torch.as_tensor(arguments[1] if len(arguments) > 1 else named["timestep"]).reshape(-1)


def held(low: Tensor, places: Tensor) -> Tensor:
    """What a LoRA's first factor gives, (B, R), (B, L, R) or (B, R, H, W), times `places` (B or 1, R)."""
    is_convolution = low.dim() == 4
    middle = [] if is_convolution else [1] * (low.dim() - 2)
    last = [1, 1] if is_convolution else []
    return low * places.to(low).reshape(len(places), *middle, -1, *last)


@dataclass(frozen=True)
class Places:
    """Which places of LoRA's ranks count at the noise last heard, of each adapter in its part of a batch.

    `ranks` has the least and the whole rank of each; `last` is empty before anything was heard, then one
    tensor (B or 1, R) for the largest rank R, 1 for what counts.
    """

    ranks: Sequence[tuple[int, int]]
    noise_heard: NoiseHeard
    last: list[Tensor] = field(default_factory=list)

    def hear(self, denoiser: nn.Module, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """Before the denoiser's own work."""
        width = max(rank for _, rank in self.ranks)
        parts = self.noise_heard(time_of(arguments, named)).chunk(len(self.ranks))
        self.last[:] = [
            torch.cat([places_at(part, *ranks, width) for part, ranks in zip(parts, self.ranks, strict=True)])
        ]

    def hold(self, down: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor:
        """After the first factor of a layer."""
        return held(output, self.last[0])
