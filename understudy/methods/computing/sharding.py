"""A denoiser larger than its device, where several processes learn: each holds its part of every block.

A block's weights are gathered when it computes, forward and backward, and are parts again afterwards. What
else the denoiser has, and what learns, every process holds whole; so gradients, optimizer and checkpoints are
those of processes that each hold all of it.

Source: Zhao et al., PyTorch FSDP, arXiv 2304.11277, in torch's second version of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from understudy.methods.computing.streaming import find_frozen, move_others


def shard_blocks(denoiser: nn.Module, blocks: Sequence[nn.Module], device: str) -> None:
    """Keep this process's part of the frozen weights of `blocks` on `device`, and all other weights there.

    To be called by all processes, with the weights in the machine's memory: one block at a time is whole on
    the device.
    """
    frozen = {weight for block in blocks for weight in find_frozen(block).values()}
    others = set(denoiser.parameters()) - frozen
    mesh = init_device_mesh(torch.device(device).type, (distributed.get_world_size(),))
    for block in blocks:
        fully_shard(block, mesh=mesh, ignored_params=others & set(block.parameters()))
    # Around all of them, so that one is gathered while the one before it computes.
    fully_shard(denoiser, mesh=mesh, ignored_params=others)
    move_others(denoiser, others, torch.device(device))
