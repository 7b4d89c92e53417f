"""The knobs of how a method on a base computes, and in how much memory: auto is chosen for the machine."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import field_validator, model_validator

from understudy.recipes.learning import Learning

Quantization = Literal["none", "int8", "nf4"]
"""How the weights of a frozen denoiser are kept: as they compute, or in 8 or 4 bits each."""
Checkpointing = Literal["none", "segments", "whole"]
"""Which blocks are computed again in the backward pass: none, every other one, or all."""
Offload = Literal["none", "encoders", "shards", "blocks"]
"""What leaves the device: nothing, what is done with, or also of every block of the denoiser what is another
process's part, or all blocks that are not just computing."""
LEAVES = ("shards", "blocks")
"""Those by which the denoiser itself leaves."""
Precision = Literal["auto", "fp32", "bf16", "fp16"]


class Computing(Learning):
    """What all methods share that train a part of a base: how they compute, not what they learn."""

    precision: Precision = "auto"
    """The numbers that the frozen base computes in: fp32, bf16, which some processors are faster with, or
    fp16 for a graphics card without bf16; what is trained is always fp32. auto: fp32, but bf16, or fp16
    where the card has none, for a large base on a graphics card."""

    checkpointing: Literal["auto", Checkpointing] = "auto"
    """Compute again what a large denoiser would have to keep: none, segments (every other block) or whole,
    for less memory and up to a third more time. auto: what the graphics card's memory asks for."""

    offload: Literal["auto", Offload] = "auto"
    """What leaves the device: none; encoders (text encoders and autoencoder, once what they say is kept);
    shards (also the denoiser, of which each of several processes keeps its part); or blocks (also those of
    the denoiser that are not just computing, for a card that is smaller than it). auto: encoders for a large
    base, shards or blocks where it does not fit."""

    cuda_graph: Literal["auto", "yes", "no"] = "auto"
    """Capture a step as a CUDA graph, which saves asking for each of its kernels: yes, where base and plan
    allow it, or no. auto: small bases on a graphics card only, since it was never tried on a large one."""

    @field_validator("checkpointing", mode="before")
    @classmethod
    def _was_a_switch(cls, value: object) -> object:
        """Recipes of DreamBooth that were written before it had a choice say true or false."""
        if isinstance(value, bool):
            return "whole" if value else "auto"
        return value

    @model_validator(mode="after")
    def _blocks_come_back(self) -> Self:
        if self.offload == "blocks" and self.checkpointing in ("none", "segments"):
            raise ValueError("offload blocks needs checkpointing whole, so that blocks keep nothing")
        return self
