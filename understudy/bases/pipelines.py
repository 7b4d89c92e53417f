"""How a base draws: its pipelines of diffusers, what they are made of, and what their calls are given."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, ClassVar

import torch
from diffusers import DiffusionPipeline
from PIL import Image
from torch import Tensor, nn

from understudy.bases.objectives import Objective
from understudy.bases.prompting import Prompting
from understudy.bases.schedulers import make_scheduler
from understudy.domain import Pixels, UserError
from understudy.recipes import LEAVES, Scheduler
from understudy.runs import Plan

NO_REFERENCES = (
    "This base cannot be shown drawings beside the prompt: take FLUX.2 klein, FLUX.1 Kontext or "
    "Qwen-Image-Edit, or leave the references out."
)


@dataclass(frozen=True)
class DrawingBase(ABC):
    """An opened base, as far as it draws.

    `size_px` is the side of the pictures that it was trained on, or that it is asked to learn on.
    """

    pipe: Any
    objective: Objective
    plan: Plan
    prompting: Prompting
    size_px: int

    draws_with: ClassVar[type[DiffusionPipeline]]
    """The pipeline that draws from noise alone."""
    redraws_with: ClassVar[type[DiffusionPipeline]]
    """The one that draws from another picture and noise (Meng et al., SDEdit, arXiv 2108.01073)."""
    opens_with: ClassVar[type[DiffusionPipeline] | None] = None
    """The pipeline that the folder's index names, where it is another than that which draws."""
    without: ClassVar[Mapping[str, object]] = {}
    """What the folder's pipeline is opened without."""
    max_references: ClassVar[int] = 0
    """How many drawings it can be shown beside a prompt."""
    shows_singly: ClassVar[bool] = False
    """Whether its pipeline makes one picture at a time where drawings are shown."""
    caches_blocks: ClassVar[bool] = False
    """Whether it has blocks that a cache can pass over."""
    asks_once: ClassVar[bool] = False
    """Whether its pipelines ask the denoiser once in each step, with the prompt and without it together."""
    draws_whole: ClassVar[bool] = False
    """Whether its denoiser is so small that it draws in one piece, however little of it learns at once."""

    @property
    def latent_px(self) -> int:
        """Side of what one latent stands for."""
        return int(self.pipe.vae_scale_factor)

    @property
    def shown_px(self) -> int:
        """Side of the squares on which drawings are shown beside a prompt."""
        return self.size_px

    @property
    def cell_px(self) -> int:
        """What the sides of its pictures are multiples of: whole latents, and the pipeline's own demand."""
        return math.lcm(self.latent_px, 8)

    def part(self, name: str) -> nn.Module:
        """A network of the pipeline, by the pipeline's name for it."""
        found: nn.Module = self.pipe.components[name]
        return found

    def drawing_pipe(self, scheduler: Scheduler | None) -> Any:
        """The pipeline that draws, with the scheduler named or the base's own."""
        return self._pipe(self.draws_with, scheduler)

    def redrawing_pipe(self, scheduler: Scheduler | None) -> Any:
        """The pipeline that draws from another picture."""
        return self._pipe(self.redraws_with, scheduler)

    def referring_pipe(self, scheduler: Scheduler | None) -> Any:
        """The pipeline that is shown drawings beside the prompt."""
        return self.drawing_pipe(scheduler)

    def referring_redrawing_pipe(self, scheduler: Scheduler | None) -> Any:
        """The one that is shown drawings and draws from another picture, as `beginning` says."""
        return self.referring_pipe(scheduler)

    def _pipe(self, kind: Any, scheduler: Scheduler | None) -> Any:
        """A pipeline to draw with, whose parts take turns on the device where the plan offloads."""
        pipe = self._assemble(kind, scheduler)
        if self.plan.offload != "none" and self.plan.device != "cpu":
            # And its pictures in the autoencoder.
            if self.draws_by_layers(self.plan):
                pipe.enable_sequential_cpu_offload(device=self.plan.device)
            else:
                pipe.enable_model_cpu_offload(device=self.plan.device)
            pipe.vae.enable_slicing()
        return pipe

    def _assemble(self, kind: Any, scheduler: Scheduler | None) -> Any:
        """The base's own networks, where they are; the scheduler is a fresh one: it remembers where it is."""
        own, config = type(self.pipe.scheduler), self.pipe.scheduler.config
        made = own.from_config(config) if scheduler is None else make_scheduler(scheduler, config)
        parts = {
            name: part for name, part in self.pipe.components.items() if name in signature(kind).parameters
        }
        pipe = kind(**parts | {"scheduler": made}, **self._options())
        # Without a progress bar of its own: ours are told by events.
        pipe.set_progress_bar_config(disable=True)
        return pipe

    @classmethod
    def draws_by_layers(cls, plan: Plan) -> bool:
        """Whether its parts come layer by layer when it draws, since one alone may not fit on the device.

        Layers come as other tensors than they were: what is to learn must be put among them afterwards.
        """
        return plan.offload in LEAVES and not cls.draws_whole

    def _options(self) -> dict[str, object]:
        """What else the family's pipelines must be told when they are made."""
        return {}

    def cached_blocks(self) -> list[nn.Module]:
        """The denoiser's blocks that a cache passes over where the first of them has hardly changed."""
        raise UserError("The blocks of this base cannot be cached: leave the cache out.")

    @abstractmethod
    def foretold_layers(self) -> list[nn.Module]:
        """The denoiser's costly layers in their order, each of which gives tensors of the same shapes in each
        step; all that it says of a picture comes through the last."""

    def showing(self, drawings: Sequence[Pixels]) -> dict[str, object]:
        """What the call of `referring_pipe` is given besides: drawings, up to `max_references` of them."""
        raise UserError(NO_REFERENCES)

    @abstractmethod
    def asking(self, prompts: list[str], negatives: list[str], guidance: float) -> dict[str, object]:
        """What the pipeline's call is given for these prompts."""

    def sizing(self, width: int, height: int) -> dict[str, object]:
        """What the pipeline that draws from noise alone is told of its size."""
        return {"width": width, "height": height}

    def redrawing(self, width: int, height: int) -> dict[str, object]:
        """What the pipeline that draws from another picture is told of its size: most take the picture's."""
        return {}

    def count_redrawn(self, steps: int, strength: float) -> int:
        """How many of `steps` that pipeline takes, counting as it does."""
        return min(int(steps * strength), steps)

    def beginning(
        self, pipe: Any, pixels: Pixels, strength: float, steps: int, seeds: Sequence[int]
    ) -> dict[str, object]:
        """What the call of `redrawing_pipe`'s `pipe` is given to begin a picture for each seed from one.

        pixels (height, width, 3) have the canvas's size; `strength` is as in `Sketch`.
        """
        height, width = pixels.shape[:2]
        under = [Image.fromarray(pixels)] * len(seeds)
        return {"image": under, "strength": strength, **self.redrawing(width, height)}

    def as_drawn(self, latents: Tensor) -> Tensor:
        """Latents (B, C, H, W) as the pipeline has them between two steps."""
        return latents


def redrawing_noise(seed: int, shape: torch.Size) -> Tensor:
    """The noise with which a picture of this seed begins from another: its second draw.

    diffusers' pipelines draw first for the encoder.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    torch.randn(shape, generator=generator)
    return torch.randn(shape, generator=generator)
