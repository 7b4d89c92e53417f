"""Half precision with loss scaling, on the CPU at toy size: the arithmetic is the graphics card's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from understudy.methods.computing.loss_scale import LossScale


class Small:
    """A weight in fp32 that is used in fp16: w^2 times a factor, of which fp16 holds only some sizes."""

    def __init__(self, precision: str = "fp16") -> None:
        self.weight = nn.Parameter(torch.full((4,), 0.5))
        self.optimizer = torch.optim.AdamW([self.weight], lr=0.1, weight_decay=0.0, fused=True)
        self.scale = LossScale("cpu", precision)

    def step(self, factor: float) -> None:
        half = self.weight.to(torch.float16)
        loss = (half.square().float() * factor).sum()
        torch.autograd.backward(self.scale.enlarge(loss))
        self.scale.step(self.optimizer, [self.weight], 1.0)
        self.optimizer.zero_grad()

    def state(self) -> dict[str, torch.Tensor]:
        return {name: one.clone() for name, one in self.scale.tensors(self.optimizer).items()}


def test_what_is_too_small_for_fp16_still_moves_the_weights() -> None:
    scaled, plain = Small(), Small("fp32")
    for small in (scaled, plain):
        small.step(1e-8)
    assert torch.equal(plain.weight, torch.full((4,), 0.5))
    assert (scaled.weight < 0.46).all()


def test_a_step_that_overflows_changes_nothing_but_the_factor() -> None:
    small = Small()
    small.step(1e-3)
    before, state = small.weight.detach().clone(), small.state()
    small.step(1.5)
    assert torch.equal(small.weight, before)
    after = small.state()
    assert after["loss_scale"] == state["loss_scale"] / 2
    assert after["optimizer_steps"] == state["optimizer_steps"] == 1
    assert torch.isfinite(small.optimizer.state[small.weight]["exp_avg"]).all()
    small.step(1.5)
    assert not torch.equal(small.weight, before)


def test_going_on_knows_the_factor_and_how_many_steps_moved_the_weights() -> None:
    small = Small()
    for factor in (1e-3, 3.0, 3.0, 1e-3):
        small.step(factor)
    saved = small.state()
    other = Small()
    assert other.scale.restore(saved, 4) == 2
    assert {name: one.item() for name, one in other.state().items() if name != "optimizer_steps"} == {
        "loss_scale": 2.0**14,
        "loss_scale_growth": 1,
    }


@pytest.mark.parametrize(("max_norm", "left"), [(0.0, 10.0), (2.0, 2.0), (20.0, 10.0)])
def test_gradients_are_scaled_down_to_a_norm_or_taken_as_they_are(max_norm: float, left: float) -> None:
    small = Small("fp32")
    small.weight.grad = torch.full((4,), 5.0)
    small.scale.step(small.optimizer, [small.weight], max_norm)
    assert small.weight.grad.norm().item() == pytest.approx(left, rel=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_other_precisions_know_nothing_of_it(precision: str) -> None:
    small = Small(precision)
    loss = torch.tensor(3.0)
    assert small.scale.enlarge(loss) is loss
    assert small.state() == {}
    assert small.scale.restore({}, 7) == 7


class NoNumber(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within, no tensor may be asked for the number that it holds, as `.item()` and `float()` do."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, op: Any, kinds: Any, given: Any = (), named: Any = None) -> Any:
        assert op is not torch.ops.aten._local_scalar_dense.default
        return op(*given, **named or {})


def test_a_step_that_overflows_is_passed_over_without_asking_whether_it_does() -> None:
    small = Small()
    with NoNumber():
        for factor in (1e-3, 1.5):
            small.step(factor)
    assert small.state()["optimizer_steps"] == 1
    with NoNumber(), pytest.raises(AssertionError):
        small.weight.sum().item()
