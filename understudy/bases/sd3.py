"""The Stable Diffusion 3 family, 3.5 above all: two CLIP text encoders, T5 by choice, a transformer.

Source: Esser et al., Stable Diffusion 3, arXiv 2403.03206.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import StableDiffusion3Img2ImgPipeline, StableDiffusion3Pipeline
from torch import Tensor, nn

from understudy.bases import t5
from understudy.bases.conditioning import Conditioning
from understudy.bases.flows import FlowBase

T5_TOKENS = 256
"""As many as the pipeline reads unless it is told otherwise."""


@dataclass(frozen=True)
class Sd3Base(FlowBase):
    """An opened base of the family; without T5 it reads zeros in its place, as its pipeline does."""

    draws_with = StableDiffusion3Pipeline
    redraws_with = StableDiffusion3Img2ImgPipeline
    spread = "logit-normal"

    @classmethod
    def own_size_px(cls, pipe: Any) -> int:
        """Side of the pictures that the transformer in a pipeline was trained on."""
        return int(pipe.transformer.config.sample_size * pipe.vae_scale_factor)

    def cached_blocks(self) -> list[nn.Module]:
        """All but the last, which gives no words any more: diffusers' hooks want them from each."""
        return super().cached_blocks()[:-1]

    def asking(self, prompts: list[str], negatives: list[str], guidance: float) -> dict[str, object]:
        """Classifier-free guidance."""
        return {"prompt": prompts, "negative_prompt": negatives, "guidance_scale": guidance}

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str]) -> Conditioning:
        """`hidden` (prompts, tokens, width) of all encoders and `pooled` (prompts, width) of both CLIPs."""
        hidden, _, pooled, _ = self.pipe.encode_prompt(
            list(prompts), None, None, device=self.reading_device, do_classifier_free_guidance=False
        )
        return Conditioning({"hidden": hidden, "pooled": pooled})

    def readable_part(self, prompt: str) -> str:
        """What the encoder that reads furthest reads."""
        if self.pipe.tokenizer_3 is None:
            return t5.readable_part(self.pipe.tokenizer, self.pipe.tokenizer_max_length, prompt)
        return t5.readable_part(self.pipe.tokenizer_3, T5_TOKENS, prompt)

    def predict(self, noisy: Tensor, times_B: Tensor, prompts: Conditioning) -> Tensor:
        """The transformer's answer."""
        with self._computing():
            answer: Tensor = self.pipe.transformer(
                noisy,
                encoder_hidden_states=prompts["hidden"],
                pooled_projections=prompts["pooled"],
                timestep=times_B,
                return_dict=False,
            )[0]
        return answer.float()
