"""Drawings as a small base's denoiser attends to them: tokens that stand beside the prompt's.

Each drawing becomes a token for every 2 x 2 places of its latents, which holds all that they say; which of
them a picture needs, the denoiser's own cross-attention finds. After Ye et al., IP-Adapter, arXiv 2308.06721,
but with a token for each place instead of a picture's summary, and without attention of their own.
"""

from __future__ import annotations

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional as F

MOST_DRAWINGS = 6
"""With how many it was trained at most."""


class DrawingEncoder(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Latents to tokens, convolutions and an embedding of places. Drawings have no order."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self, in_channels: int = 16, cells: int = 12, width: int = 160, text_width: int = 256
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(in_channels, width, 3, padding=1)
        self.conv_down = nn.Conv2d(width, text_width, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(text_width)
        self.up, self.down = nn.Linear(text_width, 2 * text_width), nn.Linear(2 * text_width, text_width)
        self.places = nn.Parameter(torch.randn((cells // 2) ** 2, text_width) * 0.02)
        self.norm_out = nn.LayerNorm(text_width)

    def forward(self, latents_BRCHW: Tensor) -> Tensor:
        """Scaled latents of R drawings of each of B characters, to (B, R x places, D)."""
        hidden = F.silu(self.conv_in(latents_BRCHW.flatten(0, 1)))
        hidden = self.conv_down(hidden).flatten(2).mT + self.places
        hidden = hidden + self.down(F.silu(self.up(self.norm(hidden))))
        tokens: Tensor = self.norm_out(hidden)
        return tokens.reshape(latents_BRCHW.shape[0], -1, tokens.shape[-1])
