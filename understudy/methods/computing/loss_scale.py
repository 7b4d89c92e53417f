"""Dynamic loss scaling: what is small in fp16 is multiplied before it is lost.

Source: Micikevicius et al., Mixed Precision Training, arXiv 1710.03740, section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

FIRST_SCALE = 2.0**16
_SCALE, _GROWTH, _STEPS = "loss_scale", "loss_scale_growth", "optimizer_steps"


class LossScale:
    """The factor of one optimiser's losses; 1 and without any effect unless the base computes in fp16.

    A step whose gradients overflow changes no weight, and the factor is halved. Nothing waits for the
    device but with Adam in 8 bits, which cannot pass over a step by itself: torch asks in each whether to.
    """

    def __init__(self, device: str, precision: str) -> None:
        kind = torch.device(device).type
        self._scaler = torch.amp.GradScaler(kind, FIRST_SCALE, enabled=precision == "fp16")

    def enlarge(self, loss: Tensor) -> Tensor:
        """The loss as it goes into the backward pass."""
        enlarged: Tensor = self._scaler.scale(loss)
        return enlarged

    def step(
        self, optimizer: torch.optim.Optimizer, weights: Sequence[nn.Parameter], max_norm: float
    ) -> None:
        """Move the weights by their gradients, unless these overflowed.

        They are scaled down to a norm of at most `max_norm`, or taken as they are where it is 0.
        """
        self._scaler.unscale_(optimizer)
        if max_norm:
            nn.utils.clip_grad_norm_(weights, max_norm)
        self._scaler.step(optimizer)
        self._scaler.update()

    def tensors(self, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        """What going on needs: the factor, for how long it was good, and Adam's own count of steps."""
        state = self._scaler.state_dict()
        if not state:
            return {}
        counts = [float(kept["step"]) for kept in optimizer.state.values()]
        return {
            _SCALE: torch.tensor(state["scale"], dtype=torch.float32),
            _GROWTH: torch.tensor(state["_growth_tracker"]),
            _STEPS: torch.tensor(max(counts, default=0.0)),
        }

    def restore(self, saved: Mapping[str, Tensor], step: int) -> int:
        """Set it to what `tensors` gave after `step` steps; returns how many of these moved the weights."""
        if _SCALE not in saved or not self._scaler.is_enabled():
            return step
        state = self._scaler.state_dict()
        state |= {"scale": saved[_SCALE].item(), "_growth_tracker": int(saved[_GROWTH])}
        self._scaler.load_state_dict(state)
        return int(saved[_STEPS])
