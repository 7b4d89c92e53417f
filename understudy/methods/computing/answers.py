"""What operations make of tensors without numbers, asked of torch once for all that look alike.

torch finds many of these shapes in Python, in about half a millisecond each; a step of SDXL has 30,000
operations, of which only some hundreds differ.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import tree_leaves

_Look = tuple[torch.Size, tuple[int, ...], torch.dtype]
"""Shape, strides and kind of number."""


@dataclass(frozen=True)
class _Made:
    """The looks of an answer; `kind` is that of the sequence of its parts, None for one tensor."""

    kind: type[Sequence[Any]] | None
    looks: tuple[_Look | None, ...]

    def make(self) -> Any:
        """The same, of other tensors."""
        parts = [None if look is None else _make(look) for look in self.looks]
        untyped: Any = self.kind
        return parts[0] if untyped is None else untyped(parts)


_KNOWN: dict[Hashable, _Made | None] = {}
"""By operation and looks of what it was given; None where the answer cannot be made anew."""


class _Unlike(Exception):
    """More than looks is given."""


def answer(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What `func` makes of its arguments, which is made without it where such an answer is known."""
    key = _key(func, args, kwargs)
    if key is None:
        return func(*args, **kwargs)
    known = _KNOWN.get(key)
    if known is not None:
        return known.make()
    out = func(*args, **kwargs)
    if key not in _KNOWN:
        _KNOWN[key] = _describe(out, tree_leaves((args, kwargs)))
    return out


def _key(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Hashable:
    """Of all from which an answer's look follows; None where it does not."""
    if not _is_pure(func):
        return None
    try:
        key = (func, _look(args), tuple((name, _look(one)) for name, one in kwargs.items()))
        hash(key)
    except (_Unlike, TypeError):
        return None
    return key


@cache
def _is_pure(func: Any) -> bool:
    """Whether an operation changes nothing and answers with nothing that it is given, as far as it says."""
    if not isinstance(func, OpOverload):
        return False
    schema: Any = func._schema
    return not any(one.alias_info for one in (*schema.arguments, *schema.returns))


def _look(one: Any) -> Hashable:
    """With numbers goes their type: 1 and 1.0 promote otherwise."""
    if isinstance(one, Tensor):
        if not one.is_meta or one.is_complex():  # which may be conjugate, and look the same
            raise _Unlike
        return _look_of(one)
    if isinstance(one, (list, tuple)):
        return tuple(map(_look, one))
    return type(one), one


def _describe(out: Any, given: Iterable[Any]) -> _Made | None:
    parts = out if isinstance(out, (list, tuple)) else [out]
    storages = {one.untyped_storage()._cdata for one in given if isinstance(one, Tensor)}
    looks: list[_Look | None] = []
    for one in parts:
        if one is None:
            looks.append(None)
            continue
        if not isinstance(one, Tensor) or not one.is_meta or one.is_complex():
            return None
        storage, look = one.untyped_storage(), _look_of(one)
        # Some answer with a view of what they are given, and do not say so.
        if storage._cdata in storages or storage.nbytes() != _make(look).untyped_storage().nbytes():
            return None
        storages.add(storage._cdata)
        looks.append(look)
    return _Made(None if isinstance(out, Tensor) else type(out), tuple(looks))


def _look_of(tensor: Tensor) -> _Look:
    return tensor.shape, tensor.stride(), tensor.dtype


def _make(look: _Look) -> Tensor:
    shape, stride, dtype = look
    return torch.empty_strided(shape, stride, dtype=dtype, device="meta")
