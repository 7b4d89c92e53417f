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
from torch.nn import functional as F

from understudy.bases import clip, t5
from understudy.bases.conditioning import Conditioning
from understudy.bases.flows import FlowBase
from understudy.bases.unets import TEXT_LORA_TARGETS

T5_TOKENS = 256
"""As many as the pipeline reads unless it is told otherwise."""


@dataclass(frozen=True)
class Sd3Base(FlowBase):
    """An opened base of the family; without T5 it reads zeros in its place, as its pipeline does.

    Both CLIPs can be trained, as diffusers' own script does.
    """

    draws_with = StableDiffusion3Pipeline
    redraws_with = StableDiffusion3Img2ImgPipeline
    spread = "logit-normal"
    text_parts = ("text_encoder", "text_encoder_2")
    text_lora_targets = TEXT_LORA_TARGETS

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

    def tokenize(self, prompts: Sequence[str]) -> Conditioning:
        """`tokens` and `tokens_2` (prompts, L) of both CLIPs."""
        num_tokens, device = self.pipe.tokenizer_max_length, self.reading_device
        tokenizers = {"tokens": self.pipe.tokenizer, "tokens_2": self.pipe.tokenizer_2}
        return Conditioning(
            {name: clip.pad(one, prompts, num_tokens).to(device) for name, one in tokenizers.items()}
        )

    def read_tokens(self, tokens: Conditioning, read: Conditioning) -> Conditioning:
        """`hidden` and `pooled`, with gradients: the last layer but one of both CLIPs, T5's as it was."""
        with self._computing():
            first = self.pipe.text_encoder(tokens["tokens"], output_hidden_states=True)
            second = self.pipe.text_encoder_2(tokens["tokens_2"], output_hidden_states=True)
        words = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1)
        of_t5 = read["hidden"][:, words.shape[1] :]
        widened = F.pad(words.to(of_t5.dtype), (0, of_t5.shape[-1] - words.shape[-1]))
        pooled = torch.cat([first[0], second[0]], -1).to(read["pooled"].dtype)
        return Conditioning({"hidden": torch.cat([widened, of_t5], 1), "pooled": pooled})

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
