"""An adapter beside the denoiser's layers against the adapter library's own in them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.toy_character import make_recipe
from understudy.bases.base import Base
from understudy.bases.opening import open_base
from understudy.methods.adapters import add_adapter
from understudy.methods.attached import attached, is_beside
from understudy.recipes import Adapter
from understudy.runs import Plan

Tensors = dict[str, Tensor]


def shaken(weights: Tensors) -> None:
    """Away from the beginning, where the second factor is nothing."""
    random = torch.Generator().manual_seed(1)
    for name in sorted(weights):
        weights[name].data += 0.05 * torch.randn(weights[name].shape, generator=random)


def answer(base: Base, weights: Tensors) -> tuple[Tensor, Tensors]:
    """What the denoiser answers, and the gradients of its square."""
    random = torch.Generator().manual_seed(2)
    noisy = torch.randn(2, 4, 8, 8, generator=random)
    found = base.predict(noisy, torch.tensor([100, 900]), base.encode_prompt(["Pip", "a girl"]))
    torch.autograd.backward(found.square().mean() * 1000)
    gradients = {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
    assert gradients.keys() == weights.keys()
    return found.detach(), gradients


@pytest.mark.parametrize(("adapter", "min_rank"), [("lora", 0), ("lora", 1), ("rslora", 0)])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_is_the_librarys_own_to_the_last_bit(
    adapter: Adapter, min_rank: int, precision: str, toy_base: Path
) -> None:
    recipe = make_recipe(toy_base, adapter).model_copy(update={"min_rank": min_rank})
    assert is_beside(recipe)
    plan = Plan.model_validate({"device": "cpu", "precision": precision, "threads": 1})
    inside, outside = (open_base(toy_base, plan) for _ in range(2))
    own: Tensors = dict(add_adapter(inside, recipe))
    shaken(own)
    expected, gradients = answer(inside, own)
    with attached(outside, recipe) as parameters:
        weights: Tensors = dict(parameters)
        assert weights.keys() == own.keys()
        shaken(weights)
        found, others = answer(outside, weights)
    assert torch.equal(found, expected)
    for name, gradient in gradients.items():
        assert torch.equal(others[name], gradient), name
    with torch.no_grad():
        off = outside.predict(torch.zeros(1, 4, 8, 8), torch.tensor([1]), outside.encode_prompt([""]))
        plain = open_base(toy_base, plan)
        assert torch.equal(
            off, plain.predict(torch.zeros(1, 4, 8, 8), torch.tensor([1]), plain.encode_prompt([""]))
        )


@pytest.mark.parametrize("knobs", [{"pull": 0.1}, {"adapter": "dora"}])
def test_what_asks_for_the_adapter_in_its_layers_keeps_it_there(
    knobs: dict[str, object], toy_base: Path
) -> None:
    recipe = make_recipe(toy_base).model_copy(update=knobs)
    assert not is_beside(recipe)
    base = open_base(toy_base, Plan(device="cpu", precision="fp32", threads=1))
    with attached(base, recipe) as weights:
        inside = {id(weight) for weight in base.denoiser.parameters()}
        assert all(id(weight) in inside for weight in weights.values())


def test_less_is_kept_for_the_backward_pass(toy_base: Path) -> None:
    recipe = make_recipe(toy_base)
    plan = Plan(device="cpu", precision="bf16", threads=1)

    def kept(base: Base) -> int:
        sizes: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        prompts = base.encode_prompt(["Pip"] * 4)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            found = base.predict(torch.zeros(4, 4, 8, 8), torch.tensor([1, 2, 3, 4]), prompts)
        assert found.requires_grad
        return sum(sizes.values())

    inside, outside = (open_base(toy_base, plan) for _ in range(2))
    add_adapter(inside, recipe)
    with attached(outside, recipe):
        assert kept(outside) < 0.9 * kept(inside)
