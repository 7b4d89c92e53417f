"""A base of Stable Diffusion 1.x's layout that also looks at drawings: their tokens (`drawing_encoder.py`)
stand beside the prompt's, and zeros beside the negative prompt's.

In plain diffusers the same: `StableDiffusionPipeline` takes both as `prompt_embeds` and
`negative_prompt_embeds`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from torch import Tensor

from understudy.bases.conditioning import Conditioning
from understudy.bases.drawing_encoder import MOST_DRAWINGS, DrawingEncoder
from understudy.bases.layouts import DRAWING_ENCODER
from understudy.bases.sd1 import Sd1Base
from understudy.domain import Pixels, UserError


class _LookingOn:
    """What both pipelines do with the tokens that their call is given as `shown` (1, T, D)."""

    _shown: Tensor | None = None

    def __call__(self, *given: Any, shown: Tensor | None = None, **named: Any) -> Any:
        """As the pipeline's own call."""
        self._shown = shown
        return super().__call__(*given, **named)  # type: ignore[misc]

    def encode_prompt(self, *given: Any, **named: Any) -> tuple[Tensor, Tensor | None]:
        """As the pipeline's own, with the tokens beside."""
        hidden, negative = super().encode_prompt(*given, **named)  # type: ignore[misc]
        if self._shown is None:
            return hidden, negative
        return beside(hidden, self._shown), None if negative is None else beside(negative, self._shown * 0)


class LookingPipeline(_LookingOn, StableDiffusionPipeline):  # type: ignore[misc]
    """Draws from noise."""


class LookingImg2ImgPipeline(_LookingOn, StableDiffusionImg2ImgPipeline):  # type: ignore[misc]
    """Draws from another picture."""


def beside(hidden_PLD: Tensor, shown_1TD: Tensor) -> Tensor:
    """Prompts, and after each the tokens of the same drawings."""
    return torch.cat([hidden_PLD, shown_1TD.to(hidden_PLD).expand(len(hidden_PLD), -1, -1)], dim=1)


@dataclass(frozen=True)
class LookingBase(Sd1Base):
    """An opened base that has an encoder of drawings in its folder."""

    opens_with = StableDiffusionPipeline
    draws_with = LookingPipeline
    redraws_with = LookingImg2ImgPipeline
    max_references = learns_references = MOST_DRAWINGS

    @property
    def shown_px(self) -> int:
        """The encoder knows the places of the base's own size alone."""
        return self.own_size_px(self.pipe)

    @cached_property
    def encoder(self) -> DrawingEncoder:
        """What makes tokens of drawings; raises `UserError` where it cannot be loaded, or does not fit."""
        folder = Path(self.pipe.config["_name_or_path"]) / DRAWING_ENCODER
        try:
            found: DrawingEncoder = DrawingEncoder.from_pretrained(
                folder, torch_dtype=torch.float32, use_safetensors=True, local_files_only=True
            )
            nothing = np.full((self.shown_px, self.shown_px, 3), 255, np.uint8)
            found(self._latents_of([nothing]).to(found.device))
        except Exception as error:  # whatever the loaders and layers of two libraries raise
            raise UserError(
                f"The encoder in {folder} cannot be loaded ({error}): get the base again."
            ) from error
        found.eval().requires_grad_(False).to(self.reading_device)
        return found

    def _latents_of(self, drawings: Sequence[Pixels]) -> Tensor:
        pixels = torch.from_numpy(np.stack(drawings)).permute(0, 3, 1, 2).float() / 127.5 - 1
        return self.encode_image(pixels).mean.float()[None]

    @torch.no_grad()
    def look_at(self, drawings: Sequence[Pixels]) -> Tensor:
        """The tokens (1, T, D) of drawings (`shown_px`, `shown_px`, 3), in fp32."""
        tokens: Tensor = self.encoder(self._latents_of(drawings).to(self.encoder.device))
        return tokens

    def showing(self, drawings: Sequence[Pixels]) -> dict[str, object]:
        """Their tokens."""
        return {"shown": self.look_at(drawings)}

    def referring_redrawing_pipe(self, scheduler: Any) -> Any:
        """The pipeline that draws from another picture; both can be shown drawings."""
        return self.redrawing_pipe(scheduler)

    def read_beside(self, prompts: Conditioning, drawings: Sequence[Pixels]) -> Conditioning:
        """Prompts that `encode_prompt` read, and beside each of them the same drawings."""
        return Conditioning({"hidden": beside(prompts["hidden"], self.look_at(drawings))})

    def read_tokens(self, tokens: Conditioning, read: Conditioning) -> Conditioning:
        """`hidden`, with gradients in the prompt's part."""
        said = super().read_tokens(tokens, read)["hidden"]
        return Conditioning({"hidden": torch.cat([said, read["hidden"][:, said.shape[1] :]], dim=1)})
