"""What blocks keep for their way back, and how much less of it where they are compiled.

As they stand, every operation keeps what its own derivative asks for. A compiler sees the block as a whole,
keeps the least from which the rest is quickly computed again, and fuses that into the way back. What it keeps
is torch's own choice, asked for here with shapes alone and without compiling a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

PARTS_ONLY = "aot_eager_decomp_partition"
"""torch's compiler without its last part, which makes kernels."""


@dataclass
class _Calls:
    """Of blocks of one class with inputs of the same shapes."""

    block: nn.Module
    given: tuple[Any, Any]
    number: int = 0


def count_spared(denoiser: nn.Module, kinds: Iterable[str], ask: Callable[[], object]) -> int:
    """Bytes that all blocks of these classes together keep less for their way back if they are compiled.

    `ask` lets the denoiser answer. 0 where the compiler fails, which then fails in learning, too.
    """
    calls: dict[tuple[object, ...], _Calls] = {}

    def remember(block: nn.Module, arguments: Any, named: Any) -> None:
        given = tree_map(_cut_off, (arguments, named))
        shapes = (leaf.shape for leaf in tree_leaves(given) if isinstance(leaf, Tensor))
        # Of several the last, since the first may be given what no gradient flows to.
        found = calls.setdefault((type(block), *shapes), _Calls(block, given))
        found.block, found.given, found.number = block, given, found.number + 1

    names = frozenset(kinds)
    blocks = [block for block in denoiser.modules() if type(block).__name__ in names]
    hooks = [block.register_forward_pre_hook(remember, with_kwargs=True) for block in blocks]
    try:
        ask()
    finally:
        for hook in hooks:
            hook.remove()
    try:
        return sum(one.number * _count_spared(one) for one in calls.values())
    except RuntimeError:  # all of the compiler's own failures are such; forecasting goes on without it
        return 0


def count_kept(block: Callable[..., object], given: tuple[Any, Any], known: Iterable[Tensor]) -> int:
    """Bytes that a block keeps when it is given arguments and named ones; `known` are there anyhow."""
    there = {tensor.untyped_storage()._cdata for tensor in known}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in there:
            kept[storage._cdata] = storage
        return tensor

    arguments, named = given
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        block(*arguments, **named)
    return sum(storage.nbytes() for storage in kept.values())


def _count_spared(calls: _Calls) -> int:
    compiled: Callable[..., object] = torch.compile(calls.block, backend=PARTS_ONLY)
    own = list(calls.block.parameters())
    as_it_stands, least = (count_kept(way, calls.given, own) for way in (calls.block, compiled))
    return max(0, as_it_stands - least)


def _cut_off(leaf: Any) -> Any:
    return leaf.detach().requires_grad_(leaf.requires_grad) if isinstance(leaf, Tensor) else leaf
