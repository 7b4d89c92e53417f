"""A pretrained base: how it learns, and, with `pipelines.py`, what each family's file must say."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from understudy.bases.conditioning import Conditioning
from understudy.bases.objectives import Objective, make_objective
from understudy.bases.pipelines import DrawingBase
from understudy.bases.words import add_word
from understudy.domain import Pixels, UserError
from understudy.recipes import Target

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
NO_WORDS = (
    "This base learns no new word, since no pipeline of diffusers could load it: take --method "
    "dreambooth-lora without --vectors, or learn on Stable Diffusion 1.5, SDXL or FLUX.1 (--base)."
)
NO_LEARNED_REFERENCES = "This base is not shown drawings while it learns: leave references at 0."
NO_READERS = "The text encoders of this base are not trained here: leave text_learning_rate at 0."


@dataclass(frozen=True)
class Latents:
    """The Gaussian that the encoder gives for each picture: (B, C, H, W), in the denoiser's own scale."""

    mean: Tensor
    std: Tensor


@dataclass(frozen=True)
class Base(DrawingBase):
    """An opened base, which draws and learns; nothing in it requires gradients."""

    denoiser_part: ClassVar[str]
    """The pipeline's name for what learns, and what the names in an adapter's file begin with."""
    lora_targets: ClassVar[Mapping[Target, tuple[str, ...]]]
    """The ends of the names of the denoiser's layers; a base need not have all of them."""
    text_parts: ClassVar[tuple[str, ...]] = ()
    """The pipeline's names for what reads the words and can be trained."""
    word_parts: ClassVar[Mapping[str, str]] = {}
    """The names of what a new word can be taught, the `text_parts` among them; none where its pipeline reads
    none. Each has the name of its vectors in the file of a word that several of them read."""
    teaches_decoder: ClassVar[bool] = False
    """Whether the decoder of its autoencoder can learn a character's drawings (`methods/decoder.py`)."""
    learns_references: ClassVar[int] = 0
    """How many of the other drawings it can be shown beside each that it learns from."""
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

    def shifting_by_size(self) -> Self:
        """The same, learning at the noise that its size needs; raises `UserError` where it knows of none."""
        raise UserError("This base learns all sizes at the same noise: leave size_shift out.")

    @property
    def denoiser(self) -> nn.Module:
        """What learns."""
        return self.part(self.denoiser_part)

    @property
    def reading_device(self) -> torch.device:
        """Where the words are read, which may be elsewhere than what else is computed.

        A reader whose layers come one by one is nowhere: each takes its words where it computes.
        """
        device: torch.device = self.pipe.text_encoder.device
        return torch.device(self.plan.device) if device.type == "meta" else device

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

    def noise_heard(self, heard: Tensor) -> Tensor:
        """The share of noise, 0 to 1, of the times that the denoiser itself is given, by whomever."""
        return heard.float() / self.objective.num_times

    def tokenize(self, prompts: Sequence[str]) -> Conditioning:
        """Prompts to what `read_tokens` takes; nothing where no encoder of the family can learn."""
        return Conditioning({})

    def read_tokens(self, tokens: Conditioning, read: Conditioning) -> Conditioning:
        """What `encode_prompt` gives for these tokens, but gradients flow through it.

        `read` is what it gave before anything learned: what comes of encoders that learn nothing is taken
        from there, so that these need not be there any more.
        """
        raise UserError(NO_READERS)

    def read_beside(self, prompts: Conditioning, drawings: Sequence[Pixels]) -> Conditioning:
        """What `encode_prompt` gave, for a denoiser that looks at these drawings besides."""
        raise UserError(NO_LEARNED_REFERENCES)

    def add_word(self, word: str, num_vectors: int, initial: str) -> tuple[nn.Parameter, ...]:
        """Teach the base a word, as `words.add_word` says; returns its vectors for each of `word_parts`."""
        if not self.word_parts:
            raise UserError(NO_WORDS)
        return tuple(
            add_word(self.tokenizer(part), self.part(part), word, num_vectors, initial)
            for part in self.word_parts
        )

    def tokenizer(self, reader: str) -> Any:
        """What makes the tokens that a part reads."""
        return self.pipe.components[reader.replace("text_encoder", "tokenizer")]

    def _to_encoder(self, pixels: Tensor) -> Tensor:
        """Pixels as the autoencoder takes them, where it works: a pipeline that offloads fetches it there.

        One without weights (`hollow.py`) is nowhere, and so is one whose layers come one by one; but the
        latter's plan says that they come.
        """
        vae = self.pipe.vae
        is_hollow = vae.device.type == "meta" and self.plan.offload == "none"
        return pixels.to(vae.device if is_hollow else self.plan.device, vae.dtype)

    def _computing(self) -> torch.autocast:
        """In the plan's precision, whatever the weights' own."""
        device, precision = torch.device(self.plan.device), self.plan.precision
        return torch.autocast(device.type, DTYPES[precision], precision != "fp32")
