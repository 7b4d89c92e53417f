"""How the denoiser computes in steps of learning: as the run's plan says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from understudy.bases.base import DTYPES, Base
from understudy.bases.compiling import compile_blocks
from understudy.bases.hollow import META, open_hollow, shape_prompts
from understudy.methods.computing.checkpointing import checkpoint_blocks
from understudy.methods.computing.processes import find_processes
from understudy.methods.computing.sharding import shard_blocks
from understudy.methods.computing.streaming import Stream
from understudy.recipes import LEAVES


def compute_as_planned(base: Base, folder: Path) -> None:
    """Let the denoiser of a base, which lies in `folder`, compute its steps as the base's plan says.

    To be called when it is adapted already, and what reads is where it stays.
    """
    plan, denoiser = base.plan, base.denoiser
    run = None
    if plan.offload in LEAVES:
        blocks = [denoiser.get_submodule(name) for name in find_blocks(folder, base)]
        if plan.offload == "blocks":
            run = Stream(denoiser, blocks, plan.device).run
        elif find_processes().count > 1:
            shard_blocks(denoiser, blocks, plan.device)
        else:  # the run was begun by several
            denoiser.to(plan.device)
    checkpoint_blocks(denoiser, plan.checkpointing, run)
    if plan.compiled:
        compile_blocks(denoiser)


def find_blocks(folder: Path, base: Base) -> list[str]:
    """The names of the denoiser's blocks that can compute again, in the order in which they compute."""
    hollow = open_hollow(folder, base.plan)
    names = {block: name for name, block in hollow.denoiser.named_modules()}
    found: dict[str, None] = {}

    def run(block: nn.Module, *arguments: Any) -> Any:
        found[names[block]] = None
        return block(*arguments)

    checkpoint_blocks(hollow.denoiser, "whole", run)
    dtype = DTYPES[base.plan.precision]
    side = hollow.size_px
    noisy: Tensor = hollow.encode_image(torch.empty(1, 3, side, side, device=META)).mean.to(dtype)
    hollow.predict(noisy, torch.zeros(1, device=META), shape_prompts(folder, 1, dtype))
    return list(found)
