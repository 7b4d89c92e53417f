"""What is alive on the meta device, where an answer that was given before is not worked out again."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from understudy.methods.computing.alive import Alive


class Asked(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What reaches torch."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_an_answer_is_remembered_and_counted_each_time() -> None:
    x = torch.empty(4, 8, device="meta")
    with Asked() as asked, Alive([x]) as alive:
        one, other = x * 2, x * 2
        assert alive.now == alive.peak == 2 * x.nbytes
        del one
        assert alive.now == x.nbytes
    assert asked.names.count("mul") == 1
    assert (other.shape, other.stride(), other.dtype) == (x.shape, x.stride(), x.dtype)


def test_what_is_not_the_same_is_asked_anew() -> None:
    whole = torch.empty(4, 8, dtype=torch.int64, device="meta")
    with Alive([whole]):
        assert [(whole * factor).dtype for factor in (1, 1.0)] == [torch.int64, torch.float32]
        assert [(part * 1).shape for part in (whole, whole[1:])] == [(4, 8), (3, 8)]


def test_what_is_part_of_another_or_has_numbers_is_not_remembered() -> None:
    x, mask = torch.empty(4, 8, device="meta"), torch.tensor([True, False, False, True])
    with Alive([x]) as alive:
        parts = [x.t(), x.t(), x.view(8, 4), x.view(8, 4)]
        x.add_(1)
        x.add_(1)
        assert alive.now == 0
        assert [int(mask.sum()), int((~mask & mask).sum())] == [2, 0]
    assert {part.untyped_storage()._cdata for part in parts} == {x.untyped_storage()._cdata}
