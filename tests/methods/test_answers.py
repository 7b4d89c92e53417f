"""Answers that are made without asking torch again look as torch's own, and keep as many bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.bases.toys import make_toy
from understudy.bases.layouts import Family
from understudy.methods.computing import alive, answers
from understudy.methods.computing.alive import Alive
from understudy.methods.computing.answers import answer
from understudy.methods.computing.dry_run import dry_run
from understudy.recipes import DreamBoothLora
from understudy.runs import Plan

ATEN: Any = torch.ops.aten
CARD = Plan(device="cuda", precision="bf16", threads=1)


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_KNOWN", {})


def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(*shape, dtype=dtype, device="meta")


def ask(func: Any, *args: Any) -> tuple[Any, bool]:
    """An answer, and whether torch was asked for it."""
    asked: list[object] = []

    class Mode(Alive):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, own: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            asked.append(own)
            return own(*args, **(kwargs or {}))

    with Mode():
        out = answer(func, args, {})
    return out, func in asked


def look(out: Any) -> object:
    parts = out if isinstance(out, tuple) else (out,)
    return [(one.shape, one.stride(), one.dtype) for one in parts], type(out)


@pytest.mark.parametrize(
    ("func", "args"),
    [
        (ATEN.mul.Tensor, (empty(4, 1, 3), empty(2, 3))),
        (ATEN.mm.default, (empty(4, 8).t(), empty(4, 6))),
        (ATEN._to_copy.default, (empty(2, 3, 4, 5).to(memory_format=torch.channels_last),)),
        (ATEN.native_layer_norm.default, (empty(2, 8), [8], None, None, 1e-5)),
    ],
    ids=lambda one: str(one) if not isinstance(one, tuple) else "",
)
def test_torch_is_asked_once(func: Any, args: tuple[Any, ...]) -> None:
    (first, was_asked), (second, was_asked_again) = ask(func, *args), ask(func, *args)
    assert (was_asked, was_asked_again) == (True, False)
    assert look(first) == look(second)
    assert first is not second


def test_what_looks_otherwise_is_asked_for_itself() -> None:
    numbers = empty(3, dtype=torch.int64)
    found = [ask(ATEN.mul.Tensor, numbers, by) for by in (2, 2.0, True, 2)]
    assert [was_asked for _, was_asked in found] == [True, True, True, False]
    assert [out.dtype for out, _ in found] == [torch.int64, torch.float32, torch.int64, torch.int64]
    rows, columns = empty(4, 6), empty(6, 4).t()
    found = [ask(ATEN.exp.default, one) for one in (rows, columns)]
    assert [out.stride() for out, _ in found] == [(6, 1), (1, 4)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: (ATEN.view.default, empty(4), [2, 2]),
        lambda: (ATEN._unsafe_view.default, empty(4), [2, 2]),  # which does not say that it is a view
        lambda: (ATEN.add_.Tensor, empty(4), empty(4)),
        lambda: (ATEN.exp.default, torch.zeros(4)),
        lambda: (ATEN.exp.default, empty(4, dtype=torch.complex64)),
    ],
)
def test_what_is_more_than_a_look_is_always_asked(make: Callable[[], tuple[Any, ...]]) -> None:
    func, first, *rest = make()
    for _ in range(2):
        out, was_asked = ask(func, first, *rest)
        assert was_asked
        shares = out.untyped_storage()._cdata == first.untyped_storage()._cdata
        assert shares == ("view" in str(func) or "add_" in str(func))


def test_a_backward_pass_keeps_as_much() -> None:
    def peak() -> int:
        x, weight = (empty(64, 64).requires_grad_() for _ in range(2))
        counted = Alive((x, weight))
        with counted:
            torch.autograd.backward(F.gelu(F.layer_norm(x @ weight, (64,))).sum())
        return counted.peak

    assert peak() == peak() > 3 * 4 * 64 * 64


@pytest.mark.parametrize("family", ["sdxl", "zimage"])
def test_a_dry_run_sees_the_same(family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without known answers, while they become known, and by them; Z-Image turns by complex numbers, too."""
    folder = make_toy(family, tmp_path / family)
    recipe = DreamBoothLora(base=str(folder), batch=2)
    plan = CARD.model_copy(update={"checkpointing": "whole"})
    with monkeypatch.context() as patch:
        patch.setattr(alive, "answer", lambda func, args, kwargs: func(*args, **kwargs))
        expected = dry_run(folder, recipe, plan)
    assert [dry_run(folder, recipe, plan) for _ in range(2)] == [expected] * 2
