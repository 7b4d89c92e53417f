"""A pretrained base: what all families share, and what each family's file must say."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn

from understudy.bases.conditioning import Conditioning
from understudy.bases.objectives import Objective, make_objective
from understudy.bases.prompting import Prompting
from understudy.bases.schedulers import make_scheduler
from understudy.domain import UserError
from understudy.recipes import Scheduler, Target
from understudy.runs import Plan

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Latents:
    """The Gaussian that the encoder gives for each picture: (B, C, H, W), in the denoiser's own scale."""

    mean: Tensor
    std: Tensor


@dataclass(frozen=True)
class Base(ABC):
    """An opened base; nothing in it requires gradients.

    `size_px` is the side of the pictures that it was trained on, or that it is asked to learn on.
    """

    pipe: Any
    objective: Objective
    plan: Plan
    prompting: Prompting
    size_px: int

    draws_with: ClassVar[type[DiffusionPipeline]]
    """The pipeline that draws from noise alone."""
    redraws_with: ClassVar[type[DiffusionPipeline] | None]
    """The one that draws from another picture and noise (Meng et al., SDEdit, arXiv 2108.01073)."""
    denoiser_part: ClassVar[str]
    """The pipeline's name for what learns, and what the names in an adapter's file begin with."""
    lora_targets: ClassVar[Mapping[Target, tuple[str, ...]]]
    """The ends of the names of the denoiser's layers; a base need not have all of them."""
    without: ClassVar[Mapping[str, object]] = {}
    """What the folder's pipeline is opened without."""
    text_parts: ClassVar[tuple[str, ...]] = ()
    """The pipeline's names for what reads the words and can be trained, or learn a word."""
    text_lora_targets: ClassVar[tuple[str, ...]] = ()
    """The same ends of these."""

    @classmethod
    @abstractmethod
    def own_size_px(cls, pipe: Any) -> int:
        """Side of the pictures that the base in a pipeline was trained on."""

    @classmethod
    def find_objective(cls, scheduler: Any, min_snr: float) -> Objective:
        """What the base was trained to predict, as its scheduler says; `min_snr` as in `open_base`."""
        return make_objective(scheduler.config, scheduler.alphas_cumprod.float().cpu(), min_snr)

    @property
    def denoiser(self) -> nn.Module:
        """What learns."""
        return self.part(self.denoiser_part)

    def part(self, name: str) -> nn.Module:
        """A network of the pipeline, by the pipeline's name for it."""
        found: nn.Module = self.pipe.components[name]
        return found

    @property
    def latent_px(self) -> int:
        """Side of what one latent stands for."""
        return int(self.pipe.vae_scale_factor)

    @property
    def cell_px(self) -> int:
        """What the sides of its pictures are multiples of: whole latents, and the pipeline's own demand."""
        return math.lcm(self.latent_px, 8)

    def drawing_pipe(self, scheduler: Scheduler | None) -> Any:
        """The pipeline that draws, with the scheduler named or the base's own."""
        return self._pipe(self.draws_with, scheduler)

    def redrawing_pipe(self, scheduler: Scheduler | None) -> Any:
        """The pipeline that draws from another picture; raises `UserError` where the family has none."""
        if self.redraws_with is None:
            raise UserError(
                "This base draws from no sketch and redraws no part of a picture: "
                "learn the character on another (see understudy bases)."
            )
        return self._pipe(self.redraws_with, scheduler)

    def _pipe(self, kind: Any, scheduler: Scheduler | None) -> Any:
        """The pipeline's own networks; the scheduler is a fresh one, because it remembers where it is."""
        own, config = type(self.pipe.scheduler), self.pipe.scheduler.config
        made = own.from_config(config) if scheduler is None else make_scheduler(scheduler, config)
        pipe = kind(**self.pipe.components | {"scheduler": made}, **self._options())
        # Without a progress bar of its own: ours are told by events.
        pipe.set_progress_bar_config(disable=True)
        if self.plan.offload != "none" and self.plan.device != "cpu":
            # Its parts take turns on the device, and its pictures in the autoencoder.
            pipe.enable_model_cpu_offload(device=self.plan.device)
            pipe.vae.enable_slicing()
        return pipe

    def _options(self) -> dict[str, object]:
        """What else the family's pipelines must be told when they are made."""
        return {}

    @abstractmethod
    def asking(self, prompts: list[str], negatives: list[str], guidance: float) -> dict[str, object]:
        """What the pipeline's call is given for these prompts."""

    @abstractmethod
    def encode_image(self, pixels_B3HW: Tensor) -> Latents:
        """Pictures in -1 ... 1 to the distributions of their latents, which `predict` takes."""

    @abstractmethod
    def encode_prompt(self, prompts: Sequence[str]) -> Conditioning:
        """Prompts to what the denoiser attends to, as the pipeline itself reads them when it draws."""

    @abstractmethod
    def predict(self, noisy: Tensor, times_B: Tensor, prompts: Conditioning) -> Tensor:
        """The denoiser's answer in the shape of `noisy` (B, C, H, W) and the objective's own sense."""

    @abstractmethod
    def readable_part(self, prompt: str) -> str:
        """The prompt, or, where it has more tokens than the base reads, the part that is read."""

    def as_drawn(self, latents: Tensor) -> Tensor:
        """Latents (B, C, H, W) as the pipeline has them between two steps."""
        return latents

    def noise_heard(self, heard: Tensor) -> Tensor:
        """The share of noise, 0 to 1, of the times that the denoiser itself is given, by whomever."""
        return heard.double() / self.objective.num_times

    def tokenize(self, prompts: Sequence[str]) -> Conditioning:
        """Prompts to what `read_tokens` takes; nothing where no encoder of the family can learn."""
        return Conditioning({})

    def read_tokens(self, tokens: Conditioning) -> Conditioning:
        """What `encode_prompt` gives for these tokens, but gradients flow through it."""
        raise UserError("The text encoders of this base are not trained here: leave text_learning_rate at 0.")

    def add_word(self, word: str, num_vectors: int, initial: str) -> nn.Parameter:
        """Teach the base a word, as `words.add_word` says; returns its vectors (num_vectors, width)."""
        raise UserError(
            "This base learns no new word, its pipeline could not read it: "
            "take --method dreambooth-lora without --vectors."
        )

    def _computing(self) -> torch.autocast:
        """In the plan's precision, whatever the weights' own."""
        device, precision = torch.device(self.plan.device), self.plan.precision
        return torch.autocast(device.type, DTYPES[precision], precision != "fp32")
