"""What a run's newest checkpoint keeps, compared to the last bit."""

from __future__ import annotations

from collections.abc import Mapping

import safetensors.torch
import torch
from torch import Tensor

from understudy.methods.adapters import WEIGHTS_FILE
from understudy.runs import STATE_FILE, Run


def state_of(run: Run) -> dict[str, Tensor]:
    """What it needs to go on: weights, moments and averages by name."""
    newest = run.newest_state()
    assert newest is not None
    return safetensors.torch.load_file(newest.folder / STATE_FILE)


def weights_and_state(run: Run) -> dict[str, Tensor]:
    """The same of an adapter, and the adapter itself as it is drawn with."""
    newest = run.newest_state()
    assert newest is not None
    return safetensors.torch.load_file(newest.folder / WEIGHTS_FILE) | state_of(run)


def assert_same_state(one: Run, other: Run) -> None:
    """Fails where any of it differs."""
    assert_same(state_of(one), state_of(other))


def assert_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    """Fails where any of these tensors differs."""
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name
