"""The FLUX.2 klein family: a language model reads the words, a flow transformer draws on patches of latents.

A latent here is a patch of 2 x 2 of the autoencoder's, made even by the statistics that it keeps. Source:
Black Forest Labs, github.com/black-forest-labs/flux2; its flow is that of Esser et al., arXiv 2403.03206.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import Flux2KleinPipeline
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from understudy.bases import chats
from understudy.bases.base import Base, Latents
from understudy.bases.conditioning import Conditioning
from understudy.bases.noising import begin_noisy
from understudy.bases.objectives import Objective, make_flow
from understudy.domain import Pixels, UserError
from understudy.recipes import Target

PATCH = 2
MOST_SINGLE_BLOCKS = 48
"""As the largest of FLUX.2 has."""
LEAST_REFERENCE_PX = 64
"""Side of the smallest picture that the pipeline lets itself be shown."""

LORA_TARGETS: Mapping[Target, tuple[str, ...]] = {
    # What diffusers' own script adapts; the fused layers of single blocks are their feed-forward part, too.
    "attention": (
        "to_q",
        "to_k",
        "to_v",
        "to_out.0",
        "to_qkv_mlp_proj",
        *(f"single_transformer_blocks.{number}.attn.to_out" for number in range(MOST_SINGLE_BLOCKS)),
    ),
    # All attention is to words and picture at once: these are the words' own layers in it.
    "cross-attention": ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"),
    "feed-forward": (
        "ff.linear_in",
        "ff.linear_out",
        "ff_context.linear_in",
        "ff_context.linear_out",
    ),
    "convolutions": (),
    # All blocks share what hears the time, and trainers leave it alone.
    "time": (),
}


@dataclass(frozen=True)
class Flux2Base(Base):
    """An opened base of the family, to be tuned (base) or to draw in four steps (distilled)."""

    draws_with = Flux2KleinPipeline
    redraws_with = Flux2KleinPipeline
    denoiser_part = "transformer"
    lora_targets = LORA_TARGETS
    caches_blocks = True
    max_references = 4  # docs.bfl.ml/guides/prompting_editing_overview

    @classmethod
    def own_size_px(cls, pipe: Any) -> int:
        """The autoencoder's config says it."""
        return int(pipe.vae.config.sample_size)

    @classmethod
    def find_objective(cls, scheduler: Any, min_snr: float) -> Objective:
        """Flow, at times that are shifted only where the scheduler's are without knowing the size."""
        return make_flow(scheduler.config, min_snr, scheduler.config.shift)

    @property
    def latent_px(self) -> int:
        """Of a patch."""
        return int(self.pipe.vae_scale_factor) * PATCH

    def _options(self) -> dict[str, object]:
        return {"is_distilled": self.pipe.config.is_distilled}

    def cached_blocks(self) -> list[nn.Module]:
        """Those with one stream, four of five: the others answer in another form, which no hook compares."""
        return [*self.pipe.transformer.single_transformer_blocks]

    def foretold_layers(self) -> list[nn.Module]:
        """All blocks: those with two streams need not be compared."""
        transformer = self.pipe.transformer
        return [*transformer.transformer_blocks, *transformer.single_transformer_blocks]

    def asking(self, prompts: list[str], negatives: list[str], guidance: float) -> dict[str, object]:
        """A distilled base knows no guidance; raises `UserError` where it is to be led away from words."""
        if self.pipe.config.is_distilled:
            if any(negatives):
                raise UserError("A distilled base heeds no negative prompt: leave it out.")
            return {"prompt": prompts, "guidance_scale": 1.0}
        asked: dict[str, object] = {"prompt": prompts, "guidance_scale": guidance}
        if any(negatives):
            asked["negative_prompt_embeds"] = self.encode_prompt(negatives)["hidden"]
        return asked

    def beginning(
        self, pipe: Any, pixels: Pixels, strength: float, steps: int, seeds: Sequence[int]
    ) -> dict[str, object]:
        """The last of the steps, from the picture as noisy as it must be before them.

        What the family has to redraw with shows the picture as a reference, too, and so cannot leave it.
        """

        def find_mu(clean: Tensor) -> float:
            return float(compute_empirical_mu(clean[0, 0].numel(), steps))

        latents, told = begin_noisy(self, pipe, pixels, strength, steps, seeds, find_mu)
        return {"latents": latents, **told}

    def showing(self, drawings: Sequence[Pixels]) -> dict[str, object]:
        """Each as a picture of its own, made larger where the pipeline would refuse it."""
        return {"image": [_make_large_enough(Image.fromarray(drawing)) for drawing in drawings]}

    @torch.no_grad()
    def encode_image(self, pixels_B3HW: Tensor) -> Latents:
        """Patches (B, 4C, H/2, W/2), evened out by the mean and deviation that the autoencoder knows.

        Without a deviation of their own, because diffusers' script trains on the means.
        """
        found = self.pipe.vae.encode(self._to_encoder(pixels_B3HW)).latent_dist
        middle, spread = self._statistics()
        mean = (F.pixel_unshuffle(found.mean.float(), PATCH) - middle) / spread
        return Latents(mean, torch.zeros_like(mean))

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str]) -> Conditioning:
        """`hidden` (prompts, tokens, width): three layers of the reader side by side, padded as it pads."""
        return Conditioning({"hidden": self.pipe.encode_prompt(list(prompts), device=self.reading_device)[0]})

    def predict(self, noisy: Tensor, times_B: Tensor, prompts: Conditioning) -> Tensor:
        """The transformer's answer."""
        hidden = prompts["hidden"]
        height, width = noisy.shape[-2:]
        with self._computing():
            answer: Tensor = self.pipe.transformer(
                hidden_states=self.as_drawn(noisy),
                timestep=times_B / self.objective.num_times,
                guidance=None,
                encoder_hidden_states=hidden,
                txt_ids=_number_places(1, 1, hidden.shape[1], noisy.device),
                img_ids=_number_places(height, width, 1, noisy.device),
                return_dict=False,
            )[0]
        return answer.float().transpose(1, 2).reshape(noisy.shape)

    def as_drawn(self, latents: Tensor) -> Tensor:
        """Row after row: (B, H W, C)."""
        return latents.flatten(2).transpose(1, 2)

    def noise_heard(self, heard: Tensor) -> Tensor:
        """The transformer is given the share itself."""
        return heard.float()

    def readable_part(self, prompt: str) -> str:
        """See `chats.readable_part`."""
        pipe = self.pipe
        return chats.readable_part(pipe.tokenizer, self._put, prompt, pipe.tokenizer_max_length)

    def _put(self, prompt: str) -> str:
        """As the pipeline puts it to the reader."""
        message = [{"role": "user", "content": prompt}]
        return str(
            self.pipe.tokenizer.apply_chat_template(
                message, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        )

    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the patches that the autoencoder makes, each (1, 4C, 1, 1)."""
        vae = self.pipe.vae
        mean, variance = vae.bn.running_mean.float(), vae.bn.running_var.float()
        return mean[None, :, None, None], (variance + vae.config.batch_norm_eps).sqrt()[None, :, None, None]


def _number_places(height: int, width: int, length: int, device: torch.device) -> Tensor:
    """The places (H W L, 4) of what the transformer attends to: picture, row, column, number in a text.

    On the device itself: a captured step takes nothing from the host.
    """
    sides = (torch.arange(side, device=device) for side in (1, height, width, length))
    return torch.cartesian_prod(*sides)


def _make_large_enough(picture: Image.Image) -> Image.Image:
    factor = LEAST_REFERENCE_PX / min(picture.size)
    if factor <= 1:
        return picture
    width, height = (max(LEAST_REFERENCE_PX, round(side * factor)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)
