"""How many bytes of tensors are alive at once, on whatever device, the meta device included."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

_MATRIX_PRODUCTS = {F.linear, F.conv2d, F.conv3d, torch.matmul, torch.bmm, torch.baddbmm, torch.addmm}
_IN_FP32 = {F.layer_norm, F.group_norm, F.softmax, torch.softmax, torch.pow, torch.rsqrt}


@dataclass(frozen=True)
class _Shape:
    """What a tensor on the meta device is, all of it."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, tensor: Tensor) -> _Shape:
        return cls(tuple(tensor.shape), tensor.stride(), tensor.dtype)

    def make(self) -> Tensor:
        return torch.empty_strided(self.size, self.stride, dtype=self.dtype, device="meta")


class Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within, `peak` grows to the most bytes that were alive at once of what was made within.

    What is there before, and given as `known`, is not counted. torch works out shapes on the meta device in
    Python, which takes most of a dry step's time: of what is asked again, as by layers that are alike, the
    answer is remembered.
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._seen: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self._answers: dict[object, Any] = {}
        for tensor in known:
            storage = tensor.untyped_storage()
            self._seen[storage._cdata] = weakref.ref(storage)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = self._answer(func, args, kwargs or {})
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._see(leaf.untyped_storage())
        return out

    def _answer(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if func._schema.is_mutable:
            return func(*args, **kwargs)
        question = (func, _describe(args), _describe(tuple(kwargs.items())))
        if question in self._answers:
            return tree_map_only(_Shape, _Shape.make, self._answers[question])
        out = func(*args, **kwargs)
        if _is_made_anew(out, (args, kwargs)):
            self._answers[question] = tree_map_only(Tensor, _Shape.of, out)
        return out

    def _see(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        known = self._seen.get(key)
        if known is not None and known() is not None:
            return
        self.now += size
        self.peak = max(self.peak, self.now)

        def forget(reference: weakref.ref[torch.UntypedStorage]) -> None:
            self.now -= size
            if self._seen.get(key) is reference:
                del self._seen[key]

        self._seen[key] = weakref.ref(storage, forget)


def _describe(asked: Any) -> object:
    """What the shape of an answer depends on: True, 1 and 1.0 are not the same."""
    if isinstance(asked, Tensor):
        return _Shape.of(asked), asked.device
    if isinstance(asked, list | tuple):
        return tuple(map(_describe, asked))
    return type(asked), asked


def _is_made_anew(out: Any, asked: Any) -> bool:
    """Whether an answer is tensors in storages of their own, and all is on the meta device: what has numbers
    may decide by them."""
    made = [leaf for leaf in tree_leaves(out) if leaf is not None]
    given = [leaf for leaf in tree_leaves(asked) if isinstance(leaf, Tensor)]
    if not (made and all(isinstance(leaf, Tensor) and leaf.is_meta for leaf in (*given, *made))):
        return False
    storages = [leaf.untyped_storage() for leaf in made]
    others = {leaf.untyped_storage()._cdata for leaf in given}
    is_own = len(others.union(one._cdata for one in storages)) == len(others) + len(storages)
    like = [_Shape.of(leaf).make().untyped_storage() for leaf in made]  # some are parts of what was made
    return is_own and [one.nbytes() for one in storages] == [one.nbytes() for one in like]


class Autocast(TorchFunctionMode):
    """CUDA's autocast, which the meta device does not have: products in `dtype`, norms in fp32.

    A backward pass leaves it; what computes again there must enter it again.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        dtype = self._dtype if func in _MATRIX_PRODUCTS else torch.float32 if func in _IN_FP32 else None

        def cast(one: Any) -> Any:
            is_float = isinstance(one, Tensor) and one.is_floating_point()
            return one.to(dtype) if is_float and dtype is not None else one

        return func(*map(cast, args), **{name: cast(one) for name, one in (kwargs or {}).items()})


@contextmanager
def flash_attention() -> Iterator[None]:
    """Within, attention keeps its inputs and its result alone, as graphics cards compute it.

    The meta device would choose the way that has a number for each pair of places.
    """
    own = F.scaled_dot_product_attention
    F.scaled_dot_product_attention = _flash
    try:
        yield
    finally:
        F.scaled_dot_product_attention = own


def _flash(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Of the CPU, which has one for every kind of mask."""
    # Norms before it may have left fp32, which autocast takes back here.
    answer: Tensor = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query.to(value), key.to(value), value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale
    )[0]
    return answer
