"""Whether a denoiser takes numbers from the host's memory in every step, which no captured step can.

torch refuses to capture the copy of a tensor that is not pinned, and a replay would read again where it was
(pytorch/pytorch#185074). On the meta device the copy is seen without a card and without weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from understudy.bases.base import Base
from understudy.bases.conditioning import Conditioning
from understudy.bases.hollow import META, open_hollow, shape_prompts
from understudy.methods.computing.alive import flash_attention
from understudy.runs import Plan

_OF_PYTHON = (torch.tensor, torch.as_tensor, Tensor.new_tensor)
"""What makes tensors of Python's own numbers, which begin on the host wherever they are asked for."""


class _Copies(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes each operation that takes a tensor of the host's to the meta device."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._found = found

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        # A number alone is part of the kernel's call.
        comes = any(one.device.type == "cpu" and one.dim() for one in given)
        if comes and any(isinstance(one, Tensor) and one.is_meta for one in tree_leaves(out)):
            self._found.append(str(func))
        return out


class _Numbers(TorchFunctionMode):
    """Notes each tensor that is made of Python's numbers on the meta device."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in _OF_PYTHON and out.is_meta and not isinstance(_made_of(func, args, kwargs or {}), Tensor):
            self._found.append(f"torch.{func.__name__}")
        return out


def _made_of(func: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    """What a call of one of _OF_PYTHON makes a tensor of; new_tensor's own tensor comes before it."""
    return named["data"] if "data" in named else args[1 if func is Tensor.new_tensor else 0]


@contextmanager
def watching() -> Iterator[list[str]]:
    """Within, the list gets the name of every operation that brings the host's numbers to the meta device."""
    found: list[str] = []
    with _Copies(found), _Numbers(found):
        yield found


def copies_from_host(folder: Path, size_px: int = 0) -> list[str]:
    """What the denoiser of the base in `folder` fetches from the host in a step that is not the first."""
    plan = Plan(device="cpu", precision="fp32", threads=1)
    base = open_hollow(folder, plan, size_px)
    latents = base.encode_image(torch.empty(1, 3, base.size_px, base.size_px, device=META)).mean
    return watch_step(base, latents, shape_prompts(folder, 1, torch.float32).to(META))


def watch_step(base: Base, latents: Tensor, prompts: Conditioning) -> list[str]:
    """The same of a base that is on the meta device, for latents and prompts there."""
    times = torch.zeros(len(latents), device=META)
    with flash_attention():
        base.predict(latents, times, prompts)  # tables come once
        with watching() as found:
            base.predict(latents, times, prompts)
    return found
