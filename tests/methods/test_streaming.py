"""Blocks that come to compute and leave again: the same numbers, and never many of them at once."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.bases.toys import FAMILIES, make_toy
from tests.methods.dry_gradients import dry_gradients
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.methods.computing.as_planned import find_blocks
from understudy.methods.computing.streaming import Stream
from understudy.runs import Plan

WHOLE = Plan(device="cpu", precision="fp32", threads=1, checkpointing="whole", offload="encoders")
BLOCKS = WHOLE.model_copy(update={"offload": "blocks"})


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    family: Family = request.param
    return make_toy(family, tmp_path_factory.mktemp("bases") / family)


def test_the_gradients_are_the_same_to_the_last_bit(folder: Path) -> None:
    expected, found = dry_gradients(folder, WHOLE), dry_gradients(folder, BLOCKS)
    assert len(expected) > 10
    assert expected.keys() == found.keys()
    assert all(torch.equal(one, found[name]) for name, one in expected.items())


def test_the_blocks_are_those_that_compute_again_in_their_order(folder: Path) -> None:
    base = open_base(folder, WHOLE)
    names = find_blocks(folder, base)
    called: list[nn.Module] = []
    untyped: Any = base.denoiser

    def run(block: nn.Module, *arguments: Any) -> Any:
        called.append(block)
        return block(*arguments)

    untyped.enable_gradient_checkpointing(run)
    latents = base.encode_image(torch.zeros(1, 3, base.size_px, base.size_px)).mean
    base.predict(latents, torch.tensor([3]), base.encode_prompt(["Pip"]))
    assert [base.denoiser.get_submodule(name) for name in names] == called
    assert len(called) == len(set(called)) > 1


class Deep(nn.Module):
    """Eight layers of equal size, and one that stays."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(8))


def test_few_blocks_are_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = Deep().requires_grad_(False)
    there: list[weakref.ref[torch.UntypedStorage]] = []
    most, own = 0, Stream._fetch

    def fetch(stream: Stream, place: int) -> Any:
        nonlocal most
        coming = own(stream, place)
        there.extend(weakref.ref(tensor.untyped_storage()) for tensor in coming.tensors)
        most = max(most, sum(one() is not None for one in there))
        return coming

    monkeypatch.setattr(Stream, "_fetch", fetch)
    stream = Stream(deep, list(deep.layers), "cpu")
    x = deep.first(torch.ones(2, 16)).requires_grad_()
    for _ in range(2):
        y = x
        for layer in deep.layers:
            y = torch.utils.checkpoint.checkpoint(stream.run, layer, y, use_reentrant=False)
        torch.autograd.backward(y.sum())
    num_of_a_layer = 2
    assert 2 * num_of_a_layer <= most <= 3 * num_of_a_layer
    # Every block once forward and once backward, in both steps, and the second for a third step.
    assert len(there) == (2 * (8 + 8) + 1) * num_of_a_layer
    assert x.grad is not None
    expected = torch.linalg.multi_dot([layer.weight for layer in reversed(deep.layers)]).sum(0)
    assert torch.allclose(x.grad[0] / 2, expected, atol=1e-5)


class Scaled(nn.Module):
    """Its backward pass needs its own weight, as that of a norm does."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0, 3.0]))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


def test_the_backward_pass_needs_nothing_of_what_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    block, own, times = Scaled().requires_grad_(False), Stream._fetch, 0

    def fetch(stream: Stream, place: int) -> Any:
        nonlocal times
        times += 1
        coming = own(stream, place)
        if times == 2:  # for the backward pass, after which it would be another device's tensor
            for kept in stream._kept[place]:
                kept.fill_(float("nan"))
        return coming

    monkeypatch.setattr(Stream, "_fetch", fetch)
    stream = Stream(block, [block], "cpu")
    x = torch.ones(2, requires_grad=True)
    y = torch.utils.checkpoint.checkpoint(stream.run, block, x, use_reentrant=False)
    torch.autograd.backward(y.sum())
    assert times == 2
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 3.0]


def test_the_next_block_is_on_its_way_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = Deep().requires_grad_(False)
    stream = Stream(deep, list(deep.layers), "cpu")
    late: list[int] = []
    own = Stream._bring

    def bring(one: Stream, place: int) -> list[Tensor]:
        if place not in one._coming:
            late.append(place)
        return own(one, place)

    monkeypatch.setattr(Stream, "_bring", bring)
    for _ in range(2):
        for layer in (*deep.layers, *reversed(deep.layers)):
            stream.run(layer, torch.ones(2, 16))
    assert late == [0, 7, 0, 7]
