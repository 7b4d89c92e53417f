"""The embedded judge's network: what a picture shows, whether it is the character of some drawings, damage.

Shapes: B pictures, D drawings, K kept places of all drawings together, C channels; places are 12 x 12.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 96
PLACES = 12
NUM_PARTS = 12


@dataclass(frozen=True)
class Shape:
    """Channels of the network's levels (24 x 24, 12 x 12, 6 x 6), and how many choices each head has."""

    heads: tuple[tuple[str, int], ...]
    channels: tuple[int, int, int] = (48, 128, 192)
    blocks: tuple[int, int, int] = (1, 2, 2)
    num_heads: int = 4
    num_rounds: int = 2
    kept_places: int = 72  # of each drawing's 144: the least like paper

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Shape:
        """The inverse of `dataclasses.asdict`, with lists where JSON has them."""
        channels, blocks = tuple(values["channels"]), tuple(values["blocks"])
        heads = tuple((name, num) for name, num in values["heads"])
        return Shape(
            heads, channels, blocks, *(values[n] for n in ("num_heads", "num_rounds", "kept_places"))
        )


@dataclass(frozen=True)
class Seen:
    """What the network makes of pictures.

    `places` (B, 144, C); `attributes` name -> logits (B, choices); `damage` (B,) and `damage_places` (B, 144)
    logits; `identity` (B, 64) of length 1; `parts` (B, 12, 24, 24) logits of canvas.PARTS.
    """

    places: Tensor
    attributes: dict[str, Tensor]
    damage: Tensor
    damage_places: Tensor
    identity: Tensor
    parts: Tensor


@dataclass(frozen=True)
class Compared:
    """Logits for "another character" and "damaged", of each picture (B,) and of its places (B, 144).

    `damage` is what the picture alone says, corrected by the drawings.
    """

    other: Tensor
    other_places: Tensor
    damage: Tensor
    damage_places: Tensor


class Block(nn.Module):
    """Depthwise 5 x 5, then two pointwise layers (Liu et al. 2022, ConvNeXt), (B, C, H, W) channels last."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide = nn.Linear(channels, 2 * channels)
        self.narrow = nn.Linear(2 * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), 0.3))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Same shape."""
        hidden = self.norm(self.spread(x_BCHW).permute(0, 2, 3, 1))
        hidden = self.narrow(F.gelu(self.wide(hidden), approximate="tanh")) * self.scale
        out: Tensor = x_BCHW + hidden.permute(0, 3, 1, 2)
        return out


class Evidence(nn.Module):
    """A logit for each place, and one for the whole picture that the strongest places drive."""

    def __init__(self, channels: int, extra: int) -> None:
        super().__init__()
        self.place = nn.Linear(channels, 1)
        self.whole = nn.Linear(2 * channels + extra, 1)
        self.strength = nn.Parameter(torch.ones(1))

    def forward(self, places: Tensor, extra: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, 144, C), (B, extra) -> (B,), (B, 144)."""
        logits = self.place(places).squeeze(-1)
        pooled = [places.mean(1), places.amax(1)]
        whole = self.whole(torch.cat(pooled if extra is None else [*pooled, extra], 1)).squeeze(-1)
        return whole + self.strength * (logits.logsumexp(1) - 2.0), logits


class Round(nn.Module):
    """Every place of a picture looks for its like in the drawings, and notes the difference."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(channels)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.mine = nn.Linear(channels, channels)
        self.wide = nn.Linear(3 * channels, 2 * channels)
        self.narrow = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor, drawn: Tensor) -> Tensor:
        """Pictures (G, Q, 144, C) of G characters with drawings' places (G, K, C) -> (G, Q, 144, C)."""
        groups, num, places, channels = x.shape
        wide = channels // self.num_heads
        normed = self.norm(x)
        query = self.query(normed).view(groups, num * places, self.num_heads, wide).transpose(1, 2)
        key = self.key(drawn).view(groups, -1, self.num_heads, wide).permute(0, 2, 3, 1)
        value = self.value(drawn).view(groups, -1, self.num_heads, wide).transpose(1, 2)
        likeness = torch.softmax(query @ key * wide**-0.5, -1)
        found = (likeness @ value).transpose(1, 2).reshape(groups, num, places, channels)
        mine = self.mine(normed)
        hidden = self.wide(torch.cat([normed, found, (mine - found).abs()], -1))
        out: Tensor = x + self.narrow(F.gelu(hidden, approximate="tanh"))
        return out


class JudgeNetwork(nn.Module):
    """Sees pictures (B, 3, 96, 96) in -1..1, and compares them with drawings."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        low, middle, high = shape.channels
        self.stem = nn.Conv2d(3, 24, 3, stride=2, padding=1)
        self.to_low = nn.Conv2d(24, low, 3, stride=2, padding=1)
        self.low = nn.Sequential(*[Block(low) for _ in range(shape.blocks[0])])
        self.to_middle = nn.Conv2d(low, middle, 2, stride=2)
        self.middle = nn.Sequential(*[Block(middle) for _ in range(shape.blocks[1])])
        self.to_high = nn.Conv2d(middle, high, 2, stride=2)
        self.high = nn.Sequential(*[Block(high) for _ in range(shape.blocks[2])])
        self.back_down = nn.Conv2d(high, middle, 1)
        self.position = nn.Parameter(torch.randn(PLACES * PLACES, middle) * 0.02)
        self.norm = nn.LayerNorm(middle)
        self.squeeze = nn.Linear(high, 48)
        self.whole = nn.Linear(48 * (PLACES // 2) ** 2, 256)
        self.heads = nn.ModuleDict({name: nn.Linear(256, num) for name, num in shape.heads})
        self.identity = nn.Linear(256, 64)
        self.parts = nn.Conv2d(low + middle, NUM_PARTS, 1)
        self.damage = Evidence(middle, 256)
        self.rounds = nn.ModuleList([Round(middle, shape.num_heads) for _ in range(shape.num_rounds)])
        self.compared_norm = nn.LayerNorm(middle)
        self.other = Evidence(middle, 0)
        self.damage_compared = Evidence(middle, 0)

    def forward(self, pictures: Tensor) -> Seen:
        """(B, 3, 96, 96) -> what is seen."""
        low = F.gelu(self.stem(pictures), approximate="tanh")
        low = self.low(self.to_low(low))
        middle = self.middle(self.to_middle(low))
        high = self.high(self.to_high(middle))
        middle = middle + F.interpolate(self.back_down(high), scale_factor=2.0, mode="nearest")
        places = self.norm(middle.permute(0, 2, 3, 1).flatten(1, 2) + self.position)
        whole = F.gelu(self.whole(self.squeeze(high.permute(0, 2, 3, 1)).flatten(1)), approximate="tanh")
        damage, damage_places = self.damage(places, whole)
        parts = self.parts(torch.cat([low, F.interpolate(middle, scale_factor=2.0, mode="nearest")], 1))
        return Seen(
            places,
            {name: head(whole) for name, head in self.heads.items()},
            damage,
            damage_places,
            F.normalize(self.identity(whole), dim=-1),
            parts,
        )

    def keep(self, pictures: Tensor, places: Tensor) -> Tensor:
        """The places of drawings that are least like paper: (B, 3, 96, 96), (B, 144, C) -> (B, kept, C)."""
        ink = F.avg_pool2d((1 - pictures).sum(1, keepdim=True), SIDE // PLACES).flatten(1)
        kept = ink.topk(self.shape.kept_places, dim=1).indices
        return places.gather(1, kept[..., None].expand(-1, -1, places.shape[-1]))

    def compare(self, places: Tensor, drawn: Tensor, damage_alone: Tensor) -> Compared:
        """Pictures (G, Q, 144, C) with their characters' kept places (G, K, C); logits (G, Q, ...).

        `damage_alone` (G, Q) is `Seen.damage` of the pictures.
        """
        x = places
        for each in self.rounds:
            x = each(x, drawn)
        x = self.compared_norm(x).flatten(0, 1)
        shape = places.shape[:2]
        other, other_places = self.other(x)
        # What looks broken is broken only if the drawings do not have it.
        damage, damage_places = self.damage_compared(x)
        return Compared(
            other.view(shape),
            other_places.view(*shape, -1),
            damage_alone + damage.view(shape),
            damage_places.view(*shape, -1),
        )
