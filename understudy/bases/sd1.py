"""The Stable Diffusion 1.x and 2.x family: one CLIP text encoder, a U-Net with cross-attention, 2-D latents.

All sizes come from the configs: the embedded base, a toy of the tests and Stable Diffusion 1.5 differ in
nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from torch import Tensor, nn

from understudy.bases import clip
from understudy.bases.base import Base, Latents
from understudy.bases.conditioning import Conditioning
from understudy.bases.unets import (
    LORA_TARGETS,
    TEXT_LORA_TARGETS,
    encode_image,
    foretold_layers,
    own_size_px,
)


@dataclass(frozen=True)
class Sd1Base(Base):
    """An opened base of the family."""

    draws_with = StableDiffusionPipeline
    redraws_with = StableDiffusionImg2ImgPipeline
    without = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}  # noqa: RUF012
    denoiser_part = "unet"
    lora_targets = LORA_TARGETS
    text_parts = ("text_encoder",)
    text_lora_targets = TEXT_LORA_TARGETS
    word_parts = {"text_encoder": "clip_l"}  # noqa: RUF012
    draws_whole = True
    teaches_decoder = True
    asks_once = True

    @classmethod
    def own_size_px(cls, pipe: Any) -> int:
        """See `unets.own_size_px`."""
        return own_size_px(pipe)

    def foretold_layers(self) -> list[nn.Module]:
        """See `unets.foretold_layers`."""
        return foretold_layers(self.denoiser)

    def _options(self) -> dict[str, object]:
        return {"requires_safety_checker": False}

    def asking(self, prompts: list[str], negatives: list[str], guidance: float) -> dict[str, object]:
        """Classifier-free guidance, also from nothing."""
        return {"prompt": prompts, "negative_prompt": negatives, "guidance_scale": guidance}

    @torch.no_grad()
    def encode_image(self, pixels_B3HW: Tensor) -> Latents:
        """See `unets.encode_image`."""
        return encode_image(self.pipe.vae, self._to_encoder(pixels_B3HW))

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str]) -> Conditioning:
        """`hidden` (prompts, tokens, width)."""
        # The pipeline's own way, so that learning and drawing read a prompt alike.
        return Conditioning(
            {"hidden": self.pipe.encode_prompt(list(prompts), self.reading_device, 1, False)[0]}
        )

    def tokenize(self, prompts: Sequence[str]) -> Conditioning:
        """`tokens` (prompts, L)."""
        return Conditioning({"tokens": clip.tokenize(self.pipe, self.pipe.tokenizer, prompts)})

    def read_tokens(self, tokens: Conditioning, read: Conditioning) -> Conditioning:
        """`hidden`, with gradients."""
        encoder = self.pipe.text_encoder
        with self._computing():
            hidden: Tensor = encoder(tokens["tokens"])[0]
        return Conditioning({"hidden": hidden.to(encoder.dtype)})

    def readable_part(self, prompt: str) -> str:
        """See `clip.readable_part`."""
        return clip.readable_part(self.pipe, prompt)

    def predict(self, noisy: Tensor, times_B: Tensor, prompts: Conditioning) -> Tensor:
        """The U-Net's answer."""
        unet = self.pipe.unet
        with self._computing():
            return unet(noisy, times_B, encoder_hidden_states=prompts["hidden"], return_dict=False)[0].float()  # type: ignore[no-any-return]
