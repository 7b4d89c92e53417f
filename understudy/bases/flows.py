"""What the families with a flow share: straight paths to noise, times moved by the size of the picture.

Source: Esser et al., Stable Diffusion 3, arXiv 2403.03206, sections 3 and 5.3.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from understudy.bases.base import Base, Latents
from understudy.bases.objectives import Flow, Objective, Spread, make_flow
from understudy.bases.redrawing import check_is_euler, strength_for_flows
from understudy.bases.unets import encode_image
from understudy.domain import Pixels
from understudy.recipes import Scheduler, Target

PATCH = 2
"""Side of what the transformer takes for one place, in latents."""
WORDS = ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
"""The words' own half of the attention that they and the picture share."""
LORA_TARGETS: Mapping[Target, tuple[str, ...]] = {
    "attention": ("to_q", "to_k", "to_v", "to_out.0", *WORDS),
    "cross-attention": WORDS,
    "feed-forward": ("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2"),
    "convolutions": (),
    "time": (),
}


@dataclass(frozen=True)
class FlowBase(Base):
    """An opened base whose transformer tells words and picture apart and reads 2 x 2 latents as one place."""

    denoiser_part = "transformer"
    lora_targets = LORA_TARGETS
    caches_blocks = True

    spread: ClassVar[Spread]
    """At which times its family is trained, before the shift."""

    @classmethod
    def find_objective(cls, scheduler: Any, min_snr: float) -> Objective:
        """With the scheduler's own shift, unless it moves with the size: then see `shifting_by_size`."""
        return make_flow(scheduler.config, min_snr, scheduler.config.shift, cls.spread)

    @property
    def cell_px(self) -> int:
        """Whole places of the transformer."""
        return math.lcm(self.latent_px * PATCH, 8)

    def cached_blocks(self) -> list[nn.Module]:
        """All of them: those with two streams, and those with one where there are such."""
        parts = dict(self.denoiser.named_children())
        lists = ("transformer_blocks", "single_transformer_blocks")
        return [block for name in lists if name in parts for block in parts[name].children()]

    def foretold_layers(self) -> list[nn.Module]:
        """The same blocks."""
        return self.cached_blocks()

    def redrawing_pipe(self, scheduler: Scheduler | None) -> Any:
        """See `Base.redrawing_pipe`; the family's pipeline asks a flow's own scheduler for the noise."""
        check_is_euler(scheduler, "From another picture this base does not draw")
        return super().redrawing_pipe(scheduler)

    def redrawing(self, width: int, height: int) -> dict[str, object]:
        """The pipeline would make every picture as large as those that it was trained on."""
        return {"width": width, "height": height}

    def beginning(
        self, pipe: Any, pixels: Pixels, strength: float, steps: int, seeds: Sequence[int]
    ) -> dict[str, object]:
        """See `redrawing.strength_for_flows`."""
        return super().beginning(pipe, pixels, strength_for_flows(strength, steps), steps, seeds)

    def shifting_by_size(self) -> Self:
        """Learning at the noise that a picture of its size is drawn from."""
        config = self.pipe.scheduler.config
        if not (isinstance(self.objective, Flow) and config.use_dynamic_shifting):
            return super().shifting_by_size()
        num_places = (self.size_px // (self.latent_px * PATCH)) ** 2
        return replace(self, objective=replace(self.objective, shift=shift_for(config, num_places)))

    @torch.no_grad()
    def encode_image(self, pixels_B3HW: Tensor) -> Latents:
        """See `unets.encode_image`."""
        return encode_image(self.pipe.vae, self._to_encoder(pixels_B3HW))


def shift_for(config: Mapping[str, Any], num_places: int) -> float:
    """The shift for pictures of so many places: mu grows with them along a line, and the shift is e^mu.

    The line's two points are in the scheduler's config; where it says "linear", the shift is mu itself.
    """
    few, many = config["base_image_seq_len"], config["max_image_seq_len"]
    low, high = config["base_shift"], config["max_shift"]
    mu = float(low + (high - low) * (num_places - few) / (many - few))
    return mu if config["time_shift_type"] == "linear" else math.exp(mu)
