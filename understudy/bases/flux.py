"""The FLUX.1 family: T5 and the pooled prompt of CLIP, a transformer of packed latents.

Source: github.com/black-forest-labs/flux. "dev" is distilled from guidance, which its transformer is told;
"schnell" is distilled to few steps and knows of no guidance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import FluxImg2ImgPipeline, FluxPipeline
from diffusers.loaders import TextualInversionLoaderMixin
from torch import Tensor

from understudy.bases import clip, t5
from understudy.bases.conditioning import Conditioning
from understudy.bases.flows import LORA_TARGETS, PATCH, FlowBase
from understudy.bases.unets import TEXT_LORA_TARGETS
from understudy.bases.words import knows_word

T5_TOKENS = 512
"""As many as the pipeline reads unless it is told otherwise."""
LEARNED_GUIDANCE = 1.0
"""The transformer is told so while it learns: at this scale it answers as one that never was distilled.

At a larger one its answer is exaggerated, and learning the plain target would undo that. Sources: sd-scripts'
docs/flux_train_network.md asks for 1, though its default is 3.5; ai-toolkit's `cfg_scale` and SimpleTuner's
`flux_guidance_value` are 1 by default; the commands in diffusers' examples/dreambooth/README_flux.md have 1,
though the script takes 3.5 where nothing is said.
"""


class FluxRedrawingPipeline(FluxImg2ImgPipeline, TextualInversionLoaderMixin):  # type: ignore[misc]
    """diffusers' own (0.42) lacks a mixin that its code asks for: of a word it reads one vector only."""


@dataclass(frozen=True)
class FluxBase(FlowBase):
    """An opened base of the family.

    Of T5 a word is learned, but T5 itself is not: no pipeline reads adapters of it.
    """

    draws_with = FluxPipeline
    redraws_with = FluxRedrawingPipeline
    text_parts = ("text_encoder",)
    text_lora_targets = TEXT_LORA_TARGETS
    # As ComfyUI's two readers look for them; diffusers is given one tensor after the other.
    word_parts = {"text_encoder": "clip_l", "text_encoder_2": "t5xxl"}  # noqa: RUF012
    lora_targets = {  # noqa: RUF012
        **LORA_TARGETS,
        # The dots keep the last layer of all out, which has the name of one in each block.
        "feed-forward": (*LORA_TARGETS["feed-forward"], ".proj_mlp", ".proj_out"),
    }
    spread = "even"

    @classmethod
    def own_size_px(cls, pipe: Any) -> int:
        """The autoencoder's: the transformer's config has none."""
        return int(pipe.vae.config.sample_size)

    def asking(self, prompts: list[str], negatives: list[str], guidance: float) -> dict[str, object]:
        """The guidance that it was distilled from, or, from negative prompts, the classifier-free one."""
        if any(negatives):
            return {
                "prompt": prompts,
                "negative_prompt": negatives,
                "true_cfg_scale": guidance,
                "guidance_scale": LEARNED_GUIDANCE,
            }
        return {"prompt": prompts, "guidance_scale": guidance}

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str]) -> Conditioning:
        """`hidden` (prompts, tokens, width) of T5 and `pooled` (prompts, width) of CLIP."""
        hidden, pooled, _ = self.pipe.encode_prompt(list(prompts), device=self.reading_device)
        return Conditioning({"hidden": hidden, "pooled": pooled})

    def tokenize(self, prompts: Sequence[str]) -> Conditioning:
        """`tokens` of CLIP and `tokens_2` of T5 (prompts, L), with learned words spelt out in vectors."""
        pipe, device = self.pipe, self.reading_device
        spelt = pipe.maybe_convert_prompt(list(prompts), pipe.tokenizer_2)
        return Conditioning(
            {
                "tokens": clip.tokenize(pipe, pipe.tokenizer, prompts),
                "tokens_2": clip.pad(pipe.tokenizer_2, spelt, T5_TOKENS).to(device),
            }
        )

    def read_tokens(self, tokens: Conditioning, read: Conditioning) -> Conditioning:
        """`hidden` and `pooled`, with gradients; T5 reads anew only where it was taught a word."""
        pipe = self.pipe
        with self._computing():
            pooled: Tensor = pipe.text_encoder(tokens["tokens"]).pooler_output
        # In its weights' own precision, as the pipeline has it: T5 overflows in fp16.
        hidden = (
            pipe.text_encoder_2(tokens["tokens_2"])[0] if knows_word(pipe.text_encoder_2) else read["hidden"]
        )
        return Conditioning({"hidden": hidden, "pooled": pooled.to(pipe.text_encoder.dtype)})

    def readable_part(self, prompt: str) -> str:
        """What T5 reads; of a long prompt CLIP reads the beginning."""
        spelt = self.pipe.maybe_convert_prompt(prompt, self.pipe.tokenizer_2)
        read = t5.readable_part(self.pipe.tokenizer_2, T5_TOKENS, spelt)
        return prompt if read == spelt else read

    def as_drawn(self, latents: Tensor) -> Tensor:
        """Packed: 2 x 2 latents (B, C, H, W) as one place (B, H/2 W/2, 4C)."""
        B, C, H, W = latents.shape
        places = latents.reshape(B, C, H // PATCH, PATCH, W // PATCH, PATCH).permute(0, 2, 4, 1, 3, 5)
        return places.reshape(B, (H // PATCH) * (W // PATCH), C * PATCH**2)

    def noise_heard(self, heard: Tensor) -> Tensor:
        """The transformer hears the share itself."""
        return heard.float()

    def predict(self, noisy: Tensor, times_B: Tensor, prompts: Conditioning) -> Tensor:
        """The transformer's answer, unpacked."""
        transformer, hidden = self.pipe.transformer, prompts["hidden"]
        guidance = torch.full_like(times_B, LEARNED_GUIDANCE, dtype=torch.float32)
        with self._computing():
            answer: Tensor = transformer(
                self.as_drawn(noisy),
                encoder_hidden_states=hidden,
                pooled_projections=prompts["pooled"],
                timestep=times_B / self.objective.num_times,
                img_ids=_name_places(noisy),
                txt_ids=hidden.new_zeros(hidden.shape[1], 3),
                guidance=guidance if transformer.config.guidance_embeds else None,
                return_dict=False,
            )[0]
        return _unpack(answer.float(), noisy.shape)


def _name_places(latents: Tensor) -> Tensor:
    """Where each place lies, (H/2 W/2, 3): 0, row, column."""
    rows, columns = (torch.arange(side // PATCH, device=latents.device) for side in latents.shape[-2:])
    row, column = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([torch.zeros_like(row), row, column], dim=-1).reshape(-1, 3).to(latents)


def _unpack(places: Tensor, shape: torch.Size) -> Tensor:
    """The inverse of `FluxBase.as_drawn`."""
    B, C, H, W = shape
    apart = places.reshape(B, H // PATCH, W // PATCH, C, PATCH, PATCH)
    return apart.permute(0, 3, 1, 4, 2, 5).reshape(shape)
