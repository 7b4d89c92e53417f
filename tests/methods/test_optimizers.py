from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.toy_character import make_whole_recipe
from understudy.domain import Character, UserError
from understudy.methods import learn
from understudy.methods.computing.fused_backward import stepping_in_backward
from understudy.methods.optimizers import make_optimizer, read_moments, write_moments
from understudy.runs import STATE_FILE

KINDS = ("adam", "adam-8bit")


def step(weights: list[nn.Parameter], optimizer: torch.optim.Optimizer, number: int) -> None:
    target = torch.Generator().manual_seed(number)
    for weight in weights:
        weight.grad = weight.detach() - torch.randn(weight.shape, generator=target)
    optimizer.step()


def start(kind: str) -> tuple[list[nn.Parameter], torch.optim.Optimizer]:
    recipe = make_whole_recipe(Path()).model_copy(update={"optimizer": kind})
    # One large enough for 8 bits, one that stays in 32.
    weights = [nn.Parameter(torch.ones(128, 64)), nn.Parameter(torch.ones(7))]
    groups = [{"params": [weight], "lr": 10.0**-place} for place, weight in enumerate(weights, start=1)]
    return weights, make_optimizer(groups, recipe)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_of_a_weight_is_enough_to_go_on(kind: str) -> None:
    weights, optimizer = start(kind)
    for number in range(6):
        step(weights, optimizer, number)

    begun, first = start(kind)
    for number in range(3):
        step(begun, first, number)
    resumed, second = start(kind)
    for weight, before in zip(resumed, begun, strict=True):
        weight.data.copy_(before.data)
        write_moments(second, weight, read_moments(first, before), 3)
    for number in range(3, 6):
        step(resumed, second, number)
    assert all(torch.equal(*pair) for pair in zip(weights, resumed, strict=True))
    assert not torch.equal(weights[0], begun[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_within_the_backward_pass_is_the_same(kind: str) -> None:
    recipe = make_whole_recipe(Path()).model_copy(update={"optimizer": kind})
    (weights, optimizer), (fused, within) = start(kind), start(kind)
    for number in range(4):
        step(weights, optimizer, number)
        target = torch.Generator().manual_seed(number)
        with stepping_in_backward(within, recipe):
            for weight in fused:
                pull = weight.detach() - torch.randn(weight.shape, generator=target)
                torch.autograd.backward((weight * pull).sum())
                assert weight.grad is None
    for one, other in zip(weights, fused, strict=True):
        assert torch.equal(one, other)
        kept, moments = read_moments(optimizer, one), read_moments(within, other)
        assert kept.keys() == moments.keys()
        assert all(torch.equal(moment, moments[name]) for name, moment in kept.items())


def test_eight_bits_take_a_quarter_of_the_memory() -> None:
    sizes = {}
    for kind in ("adam", "adam-8bit"):
        weights, optimizer = start(kind)
        step(weights, optimizer, 0)
        sizes[kind] = sum(kept.nbytes for kept in read_moments(optimizer, weights[0]).values())
    assert sizes["adam-8bit"] < 0.3 * sizes["adam"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_was_stopped_goes_on_exactly(
    kind: str, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe = make_whole_recipe(toy_base).model_copy(update={"optimizer": kind, "text_learning_rate": 1e-3})
    learn(pip, recipe.model_copy(update={"steps": 4}), tmp_path / "stopped")
    states = []
    for name in ("stopped", "straight"):
        newest = learn(pip, recipe, tmp_path / name).newest_state()
        assert newest is not None
        states.append(load_file(newest.folder / STATE_FILE))
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(one, states[1][name]) for name, one in states[0].items())


def test_a_missing_package_is_one_sentence_before_any_work(
    toy_base: Path, pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    recipe = make_whole_recipe(toy_base).model_copy(update={"optimizer": "adam-8bit"})
    with pytest.raises(UserError, match="needs the package bitsandbytes: pip install") as mistake:
        learn(pip, recipe, tmp_path / "run")
    assert "\n" not in str(mistake.value)
    assert not (tmp_path / "run").exists()
