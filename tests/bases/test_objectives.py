from __future__ import annotations

import pytest
import torch

from understudy.bases.objectives import Eps, Flow, Objective, Velocity, make_objective
from understudy.domain import UserError

ALPHAS = torch.linspace(0.999, 0.0, 1000)  # the last one is zero: no signal at all
OBJECTIVES = [Eps(ALPHAS), Eps(ALPHAS, 5.0), Velocity(ALPHAS), Velocity(ALPHAS, 5.0), Flow(), Flow(3.0)]
OBJECTIVES += [Flow(3.0, spread="logit-normal")]


@pytest.fixture
def clean() -> torch.Tensor:
    return torch.randn(8, 4, 5, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.randn(8, 4, 5, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_all_is_finite_at_every_time(objective: Objective, clean: torch.Tensor, noise: torch.Tensor) -> None:
    times = torch.tensor([0, 1, 10, 500, 900, 998, 999, 999])
    seen = objective.corrupt(clean, noise, times)
    assert seen.noisy.shape == seen.target.shape == clean.shape
    assert seen.weight.shape == (8,)
    for tensor in (seen.noisy, seen.target, seen.weight):
        assert tensor.isfinite().all()
    assert (seen.weight >= 0).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_times_are_spread_evenly_and_repeatable(objective: Objective) -> None:
    times = objective.sample_times(10, torch.Generator().manual_seed(3))
    assert torch.equal(times, objective.sample_times(10, torch.Generator().manual_seed(3)))
    assert ((times >= 0) & (times < 1000)).all()
    if objective not in (Flow(3.0), Flow(3.0, spread="logit-normal")):
        assert sorted((times // 100).long().tolist()) == list(range(10))


def test_eps_target_gives_back_the_clean(clean: torch.Tensor, noise: torch.Tensor) -> None:
    times = torch.full((8,), 300)
    seen = Eps(ALPHAS).corrupt(clean, noise, times)
    share = ALPHAS[300]
    found = (seen.noisy - (1 - share).sqrt() * seen.target) / share.sqrt()
    assert torch.allclose(found, clean, atol=1e-5)


def test_velocity_target_gives_back_the_clean(clean: torch.Tensor, noise: torch.Tensor) -> None:
    for time in (0, 300, 999):
        seen = Velocity(ALPHAS).corrupt(clean, noise, torch.full((8,), time))
        share = ALPHAS[time]
        found = share.sqrt() * seen.noisy - (1 - share).sqrt() * seen.target
        assert torch.allclose(found, clean, atol=1e-5)


def test_flow_target_gives_back_the_clean(clean: torch.Tensor, noise: torch.Tensor) -> None:
    seen = Flow().corrupt(clean, noise, torch.full((8,), 250.0))
    assert torch.allclose(seen.noisy - 0.25 * seen.target, clean, atol=1e-5)


def test_a_flows_times_are_one_in_each_equally_likely_part() -> None:
    """Of the normal numbers whose sigmoids they are before the shift."""
    times = Flow(3.0, spread="logit-normal").sample_times(8, torch.Generator().manual_seed(0)).double() / 1000
    plain = times / (3 - 2 * times)
    parts = torch.special.ndtr(torch.logit(plain))
    assert sorted((parts * 8).long().tolist()) == list(range(8))
    even = Flow().sample_times(8, torch.Generator().manual_seed(0)) / 1000
    assert torch.allclose(parts.float(), even, atol=1e-4)


def test_min_snr_counts_nearly_clean_pictures_less(clean: torch.Tensor, noise: torch.Tensor) -> None:
    times = torch.tensor([0, 0, 0, 0, 500, 500, 500, 500])
    eps = Eps(ALPHAS, 5.0).corrupt(clean, noise, times).weight
    assert eps[0] < 0.01
    assert eps[4] == 1
    velocity = Velocity(ALPHAS, 5.0).corrupt(clean, noise, times).weight
    assert velocity[0] < velocity[4]


def test_unknown_prediction_is_a_mistake() -> None:
    assert isinstance(make_objective({}, ALPHAS), Eps)
    assert isinstance(make_objective({"prediction_type": "v_prediction"}, ALPHAS), Velocity)
    with pytest.raises(UserError, match="sample"):
        make_objective({"prediction_type": "sample"}, ALPHAS)
