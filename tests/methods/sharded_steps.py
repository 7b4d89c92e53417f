"""What each of the processes of `test_sharding.py` does: steps on toys whose blocks they share."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from accelerate import PartialState
from safetensors.torch import load_file
from torch import Tensor, allclose, distributed
from torch.distributed.tensor import DTensor

from tests.methods.dry_gradients import dry_gradients
from understudy.bases.base import Base
from understudy.bases.layouts import Family
from understudy.methods.computing.as_planned import find_blocks
from understudy.runs import Plan

FAMILIES: tuple[Family, ...] = ("sdxl", "sd3", "flux", "flux2", "qwen", "zimage")
WHOLE = Plan(device="cpu", precision="fp32", threads=1, offload="encoders")
WHOLE_GRADIENTS = "{family}.safetensors"
"""Those of one process that holds all of the denoiser, beside the folders of the toys."""


def main(folder: Path) -> None:
    """Gradients by shared blocks are those of whole ones, and a process holds its part alone."""
    PartialState(cpu=True)
    assert distributed.get_world_size() == 2
    for family in FAMILIES:
        base, whole = folder / family, load_file(folder / WHOLE_GRADIENTS.format(family=family))
        plan = WHOLE.model_copy(update={"offload": "shards"})
        shared = dry_gradients(base, plan, look_at=partial(assert_held_in_part, base))
        assert same(whole, shared), family
        again = dry_gradients(base, plan.model_copy(update={"checkpointing": "whole"}))
        assert same(whole, again), family
    distributed.destroy_process_group()


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    both = ((one[name], other[name]) for name in one)
    return one.keys() == other.keys() and all(allclose(*pair, atol=1e-6) for pair in both)


def assert_held_in_part(folder: Path, base: Base) -> None:
    """Of all frozen weights of the blocks little more than half, where each of two has its part."""
    blocks = [base.denoiser.get_submodule(name) for name in find_blocks(folder, base)]
    weights = [weight for block in blocks for weight in block.parameters() if not weight.requires_grad]
    assert all(isinstance(weight, DTensor) for weight in weights), folder
    held = sum(weight.to_local().numel() for weight in weights if isinstance(weight, DTensor))
    of_blocks = sum(weight.numel() for weight in weights)
    whole = sum(weight.numel() for weight in base.denoiser.parameters())
    assert held < 0.6 * of_blocks < 0.6 * whole, folder


if __name__ == "__main__":
    main(Path(sys.argv[1]))
