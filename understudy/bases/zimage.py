"""The Z-Image family: a language model reads the words, a transformer of one stream draws.

Its time runs from noise to picture and so does its answer; pictures and prompts are lists, in which every
prompt is as long as it is. Source: Z-Image Team, Z-Image, arXiv 2511.22699.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import ZImageImg2ImgPipeline, ZImagePipeline
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.transformers.transformer_z_image import ZImageTransformerBlock
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from understudy.bases import chats
from understudy.bases.base import DTYPES, Latents
from understudy.bases.conditioning import Conditioning
from understudy.bases.flows import FlowBase
from understudy.bases.redrawing import check_is_euler
from understudy.bases.unets import encode_image
from understudy.recipes import Scheduler, Target

MAX_TOKENS = 512
"""As many of a prompt, with all that the chat's template adds, as the pipelines read."""

_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
LORA_TARGETS: Mapping[Target, tuple[str, ...]] = {
    # What diffusers' script adapts.
    "attention": _ATTENTION,
    # The same: words and picture are one sequence to it.
    "cross-attention": _ATTENTION,
    "feed-forward": ("feed_forward.w1", "feed_forward.w2", "feed_forward.w3"),
    "convolutions": (),
    "time": (),
}


@dataclass(frozen=True)
class ZImageBase(FlowBase):
    """An opened base of the family."""

    draws_with = ZImagePipeline
    redraws_with = ZImageImg2ImgPipeline
    lora_targets = LORA_TARGETS
    spread = "even"

    @classmethod
    def own_size_px(cls, pipe: Any) -> int:
        """The autoencoder's: the transformer's config has none."""
        return int(pipe.vae.config.sample_size)

    def cached_blocks(self) -> list[nn.Module]:
        """Those after the refiners; diffusers 0.42 looks for their input by a name that it has not."""
        TransformerBlockRegistry.register(
            ZImageTransformerBlock,
            TransformerBlockMetadata(
                return_hidden_states_index=0, _cached_parameter_indices={"hidden_states": 0}
            ),
        )
        return [*self.pipe.transformer.layers]

    def asking(self, prompts: list[str], negatives: list[str], guidance: float) -> dict[str, object]:
        """Classifier-free guidance, also from nothing; the pipeline counts it from 0, where there is none."""
        # Lists of its own, because the pipeline writes into them.
        return {"prompt": [*prompts], "negative_prompt": [*negatives], "guidance_scale": guidance - 1}

    def _pipe(self, kind: Any, scheduler: Scheduler | None) -> Any:
        """Both pipelines hand over the noise levels in a list, which a flow's own scheduler alone takes."""
        check_is_euler(scheduler, "This base does not draw")
        return super()._pipe(kind, scheduler)

    @torch.no_grad()
    def encode_image(self, pixels_B3HW: Tensor) -> Latents:
        """See `unets.encode_image`; without a deviation, because diffusers' script trains on the means."""
        mean = encode_image(self.pipe.vae, self._to_encoder(pixels_B3HW)).mean
        return Latents(mean, torch.zeros_like(mean))

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str]) -> Conditioning:
        """`hidden` (prompts, tokens, width) and `mask`."""
        ragged, _ = self.pipe.encode_prompt(
            [*prompts],
            device=self.reading_device,
            do_classifier_free_guidance=False,
            max_sequence_length=MAX_TOKENS,
        )
        masks = [torch.ones(len(one), dtype=torch.long) for one in ragged]
        hidden, mask = (pad_sequence(some, batch_first=True) for some in (ragged, masks))
        return Conditioning({"hidden": hidden, "mask": mask})

    def readable_part(self, prompt: str) -> str:
        """See `chats.readable_part`."""
        return chats.readable_part(self.pipe.tokenizer, self._put, prompt, MAX_TOKENS)

    def predict(self, noisy: Tensor, times_B: Tensor, prompts: Conditioning) -> Tensor:
        """The transformer's answer, turned towards noise."""
        seen = noisy.to(DTYPES[self.plan.precision])[:, :, None]
        lengths = prompts["mask"].sum(dim=1).tolist()
        words = [hidden[:length] for hidden, length in zip(prompts["hidden"], lengths, strict=True)]
        with self._computing():
            answers: list[Tensor] = self.pipe.transformer(
                list(seen), 1 - times_B / self.objective.num_times, words, return_dict=False
            )[0]
        return -torch.stack(answers)[:, :, 0].float()

    def noise_heard(self, heard: Tensor) -> Tensor:
        """The transformer is given the share of the picture."""
        return 1 - heard.float()

    def _put(self, prompt: str) -> str:
        """The chat that the pipeline makes of a prompt."""
        asked = [{"role": "user", "content": prompt}]
        chat: str = self.pipe.tokenizer.apply_chat_template(
            asked, tokenize=False, add_generation_prompt=True, enable_thinking=True
        )
        return chat
