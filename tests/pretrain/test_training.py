"""The loop that all trainings share, and its optimiser."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from understudy.pretrain.muon import Muon, muon_for, orthogonal
from understudy.pretrain.training import AveragedWeights, keyed, train

DATA = torch.randn(64, 16, generator=torch.Generator().manual_seed(1))
TRUTH = torch.randn(16, 12, generator=torch.Generator().manual_seed(2))


def make_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 24), nn.SiLU(), nn.Linear(24, 12))


def run(folder: Path, num_steps: int, average: bool = True) -> tuple[nn.Module, AveragedWeights | None]:
    model = make_model()
    averaged = AveragedWeights(model) if average else None

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        rows = torch.randint(0, 64, (8,), generator=keyed(3, step))
        return (model(DATA[rows]) - DATA[rows] @ TRUTH).square().mean(), {}

    optimiser = muon_for(model, 1e-2, exclude=("2.",))
    train(folder, model, optimiser, loss_of, lambda step: 1e-2, num_steps, average=averaged, log_every=5)
    return model, averaged


def test_going_on_ends_in_the_same_weights_and_average(tmp_path: Path) -> None:
    straight, average = run(tmp_path / "straight", 20)
    run(tmp_path / "broken", 12)
    resumed, resumed_average = run(tmp_path / "broken", 20)
    assert average is not None
    assert resumed_average is not None
    for one, other in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    for name, tensor in average.tensors.items():
        assert torch.equal(tensor, resumed_average.tensors[name])
    assert len(list((tmp_path / "broken").glob("step-*"))) == 1


def test_muon_learns(tmp_path: Path) -> None:
    model, _ = run(tmp_path, 200, average=False)

    def loss(network: nn.Module) -> float:
        with torch.no_grad():
            return float((network(DATA) - DATA @ TRUTH).square().mean())

    assert loss(model) < 0.5 * loss(make_model())


def test_a_part_that_no_gradient_reaches_is_refused(tmp_path: Path) -> None:
    model = make_model()

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        return model[2](model[1](model[0](DATA)).detach()).square().mean(), {}

    with pytest.raises(RuntimeError, match=r"No gradient reaches 0\.weight and 0 more"):
        train(tmp_path, model, muon_for(model, 1e-2), loss_of, lambda step: 1e-2, 10)


@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (16, 16)])
def test_orthogonal_keeps_directions_and_evens_sizes(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, sizes, v = torch.linalg.svd(orthogonal(matrix, 5), full_matrices=False)
    assert sizes.min() > 0.3
    assert sizes.max() < 1.4
    exact = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.dist(u @ v, exact[0] @ exact[2]) < 0.2 * torch.linalg.matrix_norm(u @ v)


def test_muon_takes_matrices_and_leaves_the_rest_to_adam() -> None:
    model = nn.Sequential(nn.Conv2d(8, 16, 3), nn.GroupNorm(4, 16), nn.Conv2d(16, 3, 1))
    optimiser = muon_for(model, 1e-3)
    assert isinstance(optimiser, Muon)
    by_muon = optimiser.param_groups[0]["params"]
    assert len(by_muon) == 1
    assert by_muon[0] is model[0].weight


def test_the_average_forgets_the_start() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = AveragedWeights(model)
    for step in range(1000):
        with torch.no_grad():
            model.weight.fill_(0.0 if step < 300 else 1.0)
        average.update(model, step, 1)
    assert average.tensors["weight"].item() > 0.99
