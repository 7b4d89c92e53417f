"""A stand-in for a CUDA graph: the operations of a step are written down once, and replayed in their places.

As on a card every tensor of the recorded step has its place for good: inputs are copied into theirs, each
operation runs again on what lies there and writes where it wrote before, and no line of Python is read again.
What would wait for the device, or bring the host's numbers to it, cannot be recorded, as it cannot be
captured; the module's buffers alone are the host's, and what is made of them is no part of what is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

FORBIDDEN = ("_local_scalar_dense", "nonzero", "lift_fresh")


class _Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within, operations are written down, but for those on tensors of the `host` alone."""

    def __init__(self, host: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._host = [*host]
        self.operations: list[tuple[Any, tuple[Any, ...], Mapping[str, Any], list[Tensor]]] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        given = _tensors((args, named))
        if given and all(any(one is other for other in self._host) for one in given):
            out = func(*args, **named)
            self._host += _tensors(out)
            return out
        if any(name in str(func) for name in FORBIDDEN):
            raise RuntimeError(f"{func} is not permitted while a step is captured")
        out = func(*args, **named)
        self.operations.append((func, args, named, _tensors(out)))
        return out

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, named, places in self.operations:
            for place, tensor in zip(places, _tensors(func(*args, **named)), strict=True):
                if place.data_ptr() != tensor.data_ptr():  # a view, or what was changed in its place
                    place.copy_(tensor)


class Recorder:
    """What `graphs.capture` is on a card, and how often it was asked."""

    def __init__(self) -> None:
        self.captures = self.replays = 0
        self.places: tuple[Tensor, ...] = ()

    def __call__(self, module: nn.Module, like: tuple[Tensor, ...]) -> Callable[..., Tensor]:
        learning = [weight for weight in module.parameters() if weight.requires_grad]
        torch.autograd.grad(module(*like), learning, allow_unused=True)  # warms up
        self.captures += 1
        self.places = like
        host = [*module.buffers()]
        forward, backward = _Tape(host), _Tape(host)
        with forward:
            loss = module(*like)
        incoming = torch.ones_like(loss)
        with backward:
            found = torch.autograd.grad(loss, learning, incoming, allow_unused=True)
        own = self

        class Replay(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *given: Tensor) -> Tensor:
                own.replays += 1
                for place, tensor in zip(like, given[: len(like)], strict=True):
                    place.copy_(tensor)
                forward.replay()
                answer: Tensor = loss.detach()
                return answer

            @staticmethod
            def backward(ctx: Any, *gradient: Tensor) -> Any:
                incoming.copy_(gradient[0])
                backward.replay()
                return (*(None for _ in like), *(one if one is None else one.detach() for one in found))

        def replay(*tensors: Tensor) -> Tensor:
            untyped: Any = Replay
            answer: Tensor = untyped.apply(*tensors, *learning)
            return answer

        return replay


def _tensors(out: Any) -> list[Tensor]:
    return [one for one in tree_leaves(out) if isinstance(one, Tensor)]
