"""What each of the processes of `test_sharding.py` does: steps on toys whose blocks they share."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from accelerate import PartialState
from torch import Tensor, distributed
from torch.distributed.tensor import DTensor

from tests.methods.dry_gradients import dry_gradients
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.methods.computing.as_planned import compute_as_planned, find_blocks
from understudy.runs import Plan

FAMILIES: tuple[Family, ...] = ("sdxl", "sd3", "flux", "flux2", "qwen", "zimage")
WHOLE = Plan(device="cpu", precision="fp32", threads=1, offload="encoders")


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    both = ((one[name], other[name]) for name in one)
    return one.keys() == other.keys() and all(torch.allclose(*pair, atol=1e-6) for pair in both)


def main(folder: Path) -> None:
    """Gradients by shared blocks are those of whole ones, and a process holds its part alone."""
    PartialState(cpu=True)
    assert distributed.get_world_size() == 2
    for family in FAMILIES:
        base = folder / family
        for checkpointing in ("none", "whole"):
            plan = WHOLE.model_copy(update={"checkpointing": checkpointing})
            shared = dry_gradients(base, plan.model_copy(update={"offload": "shards"}))
            assert same(dry_gradients(base, plan), shared), (family, checkpointing)
        opened = open_base(base, WHOLE.model_copy(update={"offload": "shards"}))
        names = find_blocks(base, opened)
        whole = sum(weight.numel() for weight in opened.denoiser.parameters())
        compute_as_planned(opened, base)
        blocks = [opened.denoiser.get_submodule(name) for name in names]
        weights = [weight for block in blocks for weight in block.parameters()]
        assert all(isinstance(weight, DTensor) for weight in weights), family
        held = sum(weight.to_local().numel() for weight in weights if isinstance(weight, DTensor))
        of_blocks = sum(weight.numel() for weight in weights)
        assert held < 0.6 * of_blocks < 0.6 * whole, family
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
