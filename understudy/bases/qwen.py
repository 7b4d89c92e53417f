"""The Qwen-Image family: a language model reads the words, a transformer of two streams draws packed latents.

Its autoencoder is one of films, and a picture is a film of one frame: that frame stays in this file. Source:
Wu et al., Qwen-Image, arXiv 2508.02324.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import QwenImageImg2ImgPipeline, QwenImagePipeline
from torch import Tensor
from torch.nn import functional as F

from understudy.bases import catalog, chats
from understudy.bases.base import Latents
from understudy.bases.conditioning import Conditioning
from understudy.bases.flows import PATCH, FlowBase
from understudy.bases.objectives import Objective, make_flow
from understudy.recipes import Target

MAX_TOKENS = 512
"""As many of a prompt as the pipelines read unless they are told otherwise."""
TRAINING_SHIFT = 3.0
"""diffusers' script takes it in place of the scheduler's own, unless that moves with the picture's size."""

LORA_TARGETS: Mapping[Target, tuple[str, ...]] = {
    # What diffusers' script adapts.
    "attention": ("to_q", "to_k", "to_v", "to_out.0"),
    # All attention is to words and picture at once: these are the words' own layers in it.
    "cross-attention": ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"),
    "feed-forward": ("img_mlp.net.0.proj", "img_mlp.net.2", "txt_mlp.net.0.proj", "txt_mlp.net.2"),
    "convolutions": (),
    "time": ("img_mod.1", "txt_mod.1"),
}


@dataclass(frozen=True)
class QwenBase(FlowBase):
    """An opened base of the family."""

    draws_with = QwenImagePipeline
    redraws_with = QwenImageImg2ImgPipeline
    lora_targets = LORA_TARGETS
    spread = "even"

    @classmethod
    def own_size_px(cls, pipe: Any) -> int:
        """What the pipelines draw by themselves."""
        return catalog.QWEN_SIDE * int(pipe.vae_scale_factor)

    @classmethod
    def find_objective(cls, scheduler: Any, min_snr: float) -> Objective:
        """Flow at evenly spread times, as diffusers' script trains."""
        return make_flow(scheduler.config, min_snr, TRAINING_SHIFT)

    @property
    def reader(self) -> Any:
        """The pipeline that reads words as they are drawn."""
        return self.pipe

    def asking(self, prompts: list[str], negatives: list[str], guidance: float) -> dict[str, object]:
        """Classifier-free guidance, also from nothing."""
        if guidance <= 1:
            return {"prompt": prompts, "true_cfg_scale": 1.0}
        return {"prompt": prompts, "negative_prompt": negatives, "true_cfg_scale": guidance}

    @torch.no_grad()
    def encode_image(self, pixels_B3HW: Tensor) -> Latents:
        """Latents of the only frame, less their mean and over their deviation, as the config states them."""
        vae = self.pipe.vae
        found = vae.encode(self._to_encoder(pixels_B3HW[:, :, None])).latent_dist
        mean, std = found.mean[:, :, 0].float(), found.std[:, :, 0].float()
        middle, spread = (
            torch.tensor(stated).to(mean)[:, None, None]
            for stated in (vae.config.latents_mean, vae.config.latents_std)
        )
        return Latents((mean - middle) / spread, std / spread)

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str]) -> Conditioning:
        """`hidden` (prompts, tokens, width), without the tokens of the pipeline's template, and `mask`."""
        hidden, mask = self.reader.encode_prompt(
            list(prompts), device=self.reading_device, max_sequence_length=MAX_TOKENS
        )
        if mask is None:  # where all prompts are as long
            mask = torch.ones(hidden.shape[:2], dtype=torch.long)
        return Conditioning({"hidden": hidden, "mask": mask.cpu()})

    def readable_part(self, prompt: str) -> str:
        """See `chats.readable_part`."""
        pipe = self.reader
        num_read = pipe.prompt_template_encode_start_idx + MAX_TOKENS
        return chats.readable_part(pipe.tokenizer, pipe.prompt_template_encode.format, prompt, num_read)

    def predict(self, noisy: Tensor, times_B: Tensor, prompts: Conditioning) -> Tensor:
        """The transformer's answer, unpacked."""
        height, width = (side // PATCH for side in noisy.shape[-2:])
        mask = prompts["mask"]
        # As the pipeline says it where all prompts are as long; what is on the CPU is known without waiting.
        masking = None if mask.all() else mask.to(noisy.device, non_blocking=True)
        with self._computing():
            answer: Tensor = self.pipe.transformer(
                hidden_states=self.as_drawn(noisy),
                timestep=times_B / self.objective.num_times,
                encoder_hidden_states=prompts["hidden"],
                encoder_hidden_states_mask=masking,
                img_shapes=[[(1, height, width)]] * len(noisy),
                return_dict=False,
            )[0]
        places = answer.float().transpose(1, 2).reshape(len(noisy), -1, height, width)
        return F.pixel_shuffle(places, PATCH)

    def as_drawn(self, latents: Tensor) -> Tensor:
        """Packed: 2 x 2 latents (B, C, H, W) as one place (B, H/2 W/2, 4C)."""
        return F.pixel_unshuffle(latents, PATCH).flatten(2).transpose(1, 2)

    def noise_heard(self, heard: Tensor) -> Tensor:
        """The transformer is given the share itself."""
        return heard.float()
