"""The Stable Diffusion 1.x family: one CLIP text encoder, a U-Net with cross-attention, 2-D latents.

All sizes come from the configs: the embedded base, a toy of the tests and Stable Diffusion 1.5 differ in
nothing else.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor
from diffusers.utils import logging as diffusers_logging
from torch import Tensor, nn
from transformers.utils import logging as transformers_logging

from understudy.bases.objectives import Objective, make_objective
from understudy.bases.prompting import Prompting, read_prompting
from understudy.bases.schedulers import make_scheduler
from understudy.bases.words import add_word
from understudy.domain import UserError
from understudy.recipes import Scheduler, Target
from understudy.runs import Plan

Pipeline = TypeVar("Pipeline", StableDiffusionPipeline, StableDiffusionImg2ImgPipeline)
SMALL_SIDE = 32
"""Latents; with more, attention from every place to every other at once takes too much memory."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

# The ends of the names of the U-Net's layers; a base need not have all of them.
LORA_TARGETS: Mapping[Target, tuple[str, ...]] = {
    "attention": ("to_q", "to_k", "to_v", "to_out.0"),
    "cross-attention": ("attn2.to_q", "attn2.to_k", "attn2.to_v", "attn2.to_out.0"),
    "feed-forward": ("ff.net.0.proj", "ff.net.2"),
    "convolutions": (
        "conv1",
        "conv2",
        "conv_shortcut",
        "proj_in",
        "proj_out",
        "downsamplers.0.conv",
        "upsamplers.0.conv",
    ),
    "time": ("time_emb_proj", "add_embedding.proj"),
}
# Of the text encoder's layers: its attention, as every reader of such files knows them.
TEXT_LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")


@dataclass(frozen=True)
class Latents:
    """The Gaussian that the encoder gives for each picture: (B, channels, height, width), scaled."""

    mean: Tensor
    std: Tensor


@dataclass(frozen=True)
class Sd1Base:
    """An opened base; nothing in it requires gradients."""

    pipe: StableDiffusionPipeline
    objective: Objective
    plan: Plan
    lora_targets: Mapping[Target, tuple[str, ...]]
    text_lora_targets: tuple[str, ...]
    prompting: Prompting

    @property
    def denoiser(self) -> nn.Module:
        """The U-Net."""
        unet: nn.Module = self.pipe.unet
        return unet

    @property
    def text_encoder(self) -> nn.Module:
        """What reads the words."""
        encoder: nn.Module = self.pipe.text_encoder
        return encoder

    @property
    def size_px(self) -> int:
        """Side of the pictures it was trained on."""
        return int(self.pipe.unet.config.sample_size * self.pipe.vae_scale_factor)

    @property
    def latent_px(self) -> int:
        """Side of what one latent stands for."""
        return int(self.pipe.vae_scale_factor)

    @property
    def cell_px(self) -> int:
        """What the sides of its pictures are multiples of: whole latents, and the pipeline's own demand."""
        return math.lcm(self.latent_px, 8)

    def drawing_pipe(self, scheduler: Scheduler | None) -> StableDiffusionPipeline:
        """The pipeline that draws from noise alone, with the scheduler named or the base's own."""
        return _quiet(StableDiffusionPipeline(**self._parts(scheduler), requires_safety_checker=False))

    def redrawing_pipe(self, scheduler: Scheduler | None) -> StableDiffusionImg2ImgPipeline:
        """The pipeline that draws from another picture and noise (Meng et al., SDEdit, arXiv 2108.01073)."""
        return _quiet(StableDiffusionImg2ImgPipeline(**self._parts(scheduler), requires_safety_checker=False))

    def _parts(self, scheduler: Scheduler | None) -> dict[str, Any]:
        """The pipeline's own networks; the scheduler is a fresh one, because it remembers where it is."""
        own, config = type(self.pipe.scheduler), self.pipe.scheduler.config
        made = own.from_config(config) if scheduler is None else make_scheduler(scheduler, config)
        return {**self.pipe.components, "scheduler": made}

    @torch.no_grad()
    def encode_image(self, pixels_B3HW: Tensor) -> Latents:
        """Pictures in -1 ... 1 to the distributions of their latents."""
        vae = self.pipe.vae
        found = vae.encode(pixels_B3HW.to(vae.device, vae.dtype)).latent_dist
        scale = vae.config.scaling_factor
        return Latents((found.mean * scale).float(), (found.std * scale).float())

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str]) -> Tensor:
        """Prompts to what the U-Net attends to: (prompts, tokens, width)."""
        # The pipeline's own way, so that learning and drawing read a prompt alike.
        hidden: Tensor = self.pipe.encode_prompt(list(prompts), self.pipe.device, 1, False)[0]
        return hidden

    def tokenize(self, prompts: Sequence[str]) -> Tensor:
        """Prompts to what `read_tokens` takes: (prompts, tokens)."""
        tokenizer = self.pipe.tokenizer
        tokens: Tensor = tokenizer(
            self.pipe.maybe_convert_prompt(list(prompts), tokenizer),
            padding="max_length",
            max_length=tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        return tokens.to(self.pipe.device)

    def read_tokens(self, tokens_BL: Tensor) -> Tensor:
        """What `encode_prompt` gives for these tokens, (B, L, width), but gradients flow through it."""
        encoder = self.pipe.text_encoder
        with self._computing():
            hidden: Tensor = encoder(tokens_BL)[0]
        return hidden.to(encoder.dtype)

    def add_word(self, word: str, num_vectors: int, initial: str) -> nn.Parameter:
        """Teach the base a word, as `words.add_word` says; returns its vectors (num_vectors, width)."""
        return add_word(self.pipe, word, num_vectors, initial)

    def readable_part(self, prompt: str) -> str:
        """The prompt, or, where it has more tokens than the base reads, the part that is read."""
        tokenizer = self.pipe.tokenizer
        whole = self.pipe.maybe_convert_prompt(prompt, tokenizer)
        read = tokenizer(whole, truncation=True, max_length=tokenizer.model_max_length).input_ids
        if len(tokenizer(whole, verbose=False).input_ids) <= len(read):
            return prompt
        return str(tokenizer.decode(read, skip_special_tokens=True)).strip()

    def predict(self, noisy: Tensor, times_B: Tensor, prompts_BLD: Tensor) -> Tensor:
        """The U-Net's answer, in the shape of `noisy`."""
        unet = self.pipe.unet
        with self._computing():
            return unet(noisy, times_B, encoder_hidden_states=prompts_BLD, return_dict=False)[0].float()  # type: ignore[no-any-return]

    def _computing(self) -> torch.autocast:
        """In the plan's precision, whatever the weights' own."""
        precision = self.plan.precision
        return torch.autocast(self.pipe.unet.device.type, DTYPES[precision], precision != "fp32")


def open_base(folder: Path, plan: Plan, min_snr: float = 0.0) -> Sd1Base:
    """Open the base in `folder` (see `catalog.find_base`), without the network.

    `min_snr` caps the weight of nearly clean pictures in its objective. Raises `UserError` if it cannot be
    loaded.
    """
    pipe = _quiet(_load(folder))
    # However the weights are stored; bf16 to fp32 is exact.
    pipe.to(plan.device, DTYPES[plan.precision])
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        part.requires_grad_(False).eval()
    if (plan.device, plan.precision) == ("cpu", "bf16") and pipe.unet.config.sample_size <= SMALL_SIDE:
        # torch's fused attention multiplies small blocks, which takes a CPU much longer in bf16 than in fp32.
        pipe.unet.set_attn_processor(AttnProcessor())
    objective = make_objective(pipe.scheduler.config, pipe.scheduler.alphas_cumprod.float().cpu(), min_snr)
    return Sd1Base(pipe, objective, plan, LORA_TARGETS, TEXT_LORA_TARGETS, read_prompting(folder))


def _quiet(pipe: Pipeline) -> Pipeline:
    """Without a progress bar of its own: ours are told by events."""
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _load(folder: Path) -> StableDiffusionPipeline:
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries' next major releases will change
        try:
            return StableDiffusionPipeline.from_pretrained(
                folder,
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
                local_files_only=True,
                use_safetensors=True,  # anything else is pickle, which runs what is in it
            )
        except Exception as error:  # whatever the loaders of four libraries raise for a damaged file
            what = _first_line(error)
            raise UserError(f"The base in {folder} cannot be loaded ({what}): get it again.") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
