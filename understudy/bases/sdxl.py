"""The SDXL family: two CLIP text encoders, a U-Net that is also told the pooled prompt, size and crop.

Source: Podell et al., SDXL, arXiv 2307.01952.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
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
class SdxlBase(Base):
    """An opened base of the family.

    The size and the crop that the U-Net is told are always those of a whole picture of the canvas: views of
    the drawings are whole compositions, and a picture that is drawn is asked for in the same way.
    """

    draws_with = StableDiffusionXLPipeline
    redraws_with = StableDiffusionXLImg2ImgPipeline
    without = {"add_watermarker": False}  # noqa: RUF012
    denoiser_part = "unet"
    lora_targets = LORA_TARGETS
    text_parts = ("text_encoder", "text_encoder_2")
    text_lora_targets = TEXT_LORA_TARGETS
    word_parts = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}  # noqa: RUF012
    draws_whole = True
    asks_once = True

    @classmethod
    def own_size_px(cls, pipe: Any) -> int:
        """See `unets.own_size_px`."""
        return own_size_px(pipe)

    def foretold_layers(self) -> list[nn.Module]:
        """See `unets.foretold_layers`."""
        return foretold_layers(self.denoiser)

    def _options(self) -> dict[str, object]:
        # The watermark is a package of its own; ours is in the file's metadata.
        zeros = self.pipe.config.force_zeros_for_empty_prompt
        return {"force_zeros_for_empty_prompt": zeros, "add_watermarker": False}

    def asking(self, prompts: list[str], negatives: list[str], guidance: float) -> dict[str, object]:
        """Without any negative prompt guidance is from the zeros that the base was trained with."""
        return {
            "prompt": prompts,
            "negative_prompt": negatives if any(negatives) else None,
            "guidance_scale": guidance,
        }

    @torch.no_grad()
    def encode_image(self, pixels_B3HW: Tensor) -> Latents:
        """See `unets.encode_image`."""
        return encode_image(self.pipe.vae, self._to_encoder(pixels_B3HW))

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str]) -> Conditioning:
        """`hidden` (prompts, tokens, width) of both encoders and `pooled` (prompts, width) of the second."""
        hidden, _, pooled, _ = self.pipe.encode_prompt(
            list(prompts), device=self.reading_device, do_classifier_free_guidance=False
        )
        return self._without_empty(prompts, hidden, pooled)

    def tokenize(self, prompts: Sequence[str]) -> Conditioning:
        """`tokens` and `tokens_2` (prompts, L) of both readers; `said` (prompts) is 0 for an empty prompt."""
        pipe = self.pipe
        said = torch.tensor([float(bool(prompt)) for prompt in prompts], device=self.reading_device)
        return Conditioning(
            {
                "tokens": clip.tokenize(pipe, pipe.tokenizer, prompts),
                "tokens_2": clip.tokenize(pipe, pipe.tokenizer_2, prompts),
                "said": said if pipe.config.force_zeros_for_empty_prompt else torch.ones_like(said),
            }
        )

    def read_tokens(self, tokens: Conditioning, read: Conditioning) -> Conditioning:
        """`hidden` and `pooled`, with gradients: of both encoders the last layer but one."""
        pipe = self.pipe
        with self._computing():
            first = pipe.text_encoder(tokens["tokens"], output_hidden_states=True)
            second = pipe.text_encoder_2(tokens["tokens_2"], output_hidden_states=True)
        hidden = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1)
        said, dtype = tokens["said"], pipe.text_encoder_2.dtype
        return Conditioning(
            {
                "hidden": (hidden * said[:, None, None]).to(dtype),
                "pooled": (second[0] * said[:, None]).to(dtype),
            }
        )

    def readable_part(self, prompt: str) -> str:
        """See `clip.readable_part`; both readers cut at the same place."""
        return clip.readable_part(self.pipe, prompt)

    def predict(self, noisy: Tensor, times_B: Tensor, prompts: Conditioning) -> Tensor:
        """The U-Net's answer for whole pictures of the latents' size."""
        # Size, crop and size again, made where they are needed: a captured step takes nothing from the host.
        frames = torch.zeros(len(noisy), 6, dtype=torch.long, device=noisy.device)
        for place, side in enumerate(noisy.shape[-2:]):
            frames[:, place::4].fill_(side * self.latent_px)
        told = {"text_embeds": prompts["pooled"], "time_ids": frames}
        unet = self.pipe.unet
        with self._computing():
            answer: Tensor = unet(
                noisy,
                times_B,
                encoder_hidden_states=prompts["hidden"],
                added_cond_kwargs=told,
                return_dict=False,
            )[0]
        return answer.float()

    def _without_empty(self, prompts: Sequence[str], hidden: Tensor, pooled: Tensor) -> Conditioning:
        """With zeros for an empty prompt, where the base was trained so."""
        if self.pipe.config.force_zeros_for_empty_prompt:
            said = torch.tensor([float(bool(prompt)) for prompt in prompts]).to(hidden)
            hidden, pooled = hidden * said[:, None, None], pooled * said[:, None]
        return Conditioning({"hidden": hidden, "pooled": pooled})
