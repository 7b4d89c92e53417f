"""What a run's newest checkpoint keeps to go on from, compared to the last bit."""

from __future__ import annotations

import safetensors.torch
import torch
from torch import Tensor

from understudy.runs import STATE_FILE, Run


def state_of(run: Run) -> dict[str, Tensor]:
    """Weights, moments and averages by name."""
    newest = run.newest_state()
    assert newest is not None
    return safetensors.torch.load_file(newest.folder / STATE_FILE)


def assert_same_state(one: Run, other: Run) -> None:
    """Fails where any of it differs."""
    first, second = state_of(one), state_of(other)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
