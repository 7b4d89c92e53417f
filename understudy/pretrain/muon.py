"""Muon for convolutions and linear layers, Adam for all the rest, in one optimiser.

Muon (Jordan et al. 2024, github.com/KellerJordan/Muon) replaces a matrix's momentum by the nearest
orthogonal matrix, found by five Newton-Schulz steps; its update is scaled to the root mean square of Adam's
(Liu et al. 2025, arXiv 2502.16982, equation 4), so that both share one learning rate.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
SMALLEST_SIDE = 8


class Muon(torch.optim.Optimizer):
    """`matrices` take Muon's update, `others` Adam's; both with decoupled weight decay."""

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        rate: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        num_iterations: int = 5,
        half: bool = False,
    ) -> None:
        groups = [{"params": list(matrices), "muon": True}, {"params": list(others), "muon": False}]
        super().__init__(groups, {"lr": rate})
        self.momentum, self.betas, self.weight_decay = momentum, betas, weight_decay
        self.num_iterations = num_iterations
        # Rough is enough for a direction; where the machine has it, bfloat16 is several times faster.
        self.dtype = torch.bfloat16 if half else torch.float32

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if self.weight_decay:
                    parameter.mul_(1 - group["lr"] * self.weight_decay)
                update = self._muon(parameter) if group["muon"] else self._adam(parameter)
                parameter.add_(update, alpha=-group["lr"])

    def _muon(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        gradient = parameter.grad
        assert gradient is not None
        state["momentum"].lerp_(gradient, 1 - self.momentum)
        ahead = gradient.lerp(state["momentum"], self.momentum).flatten(1)
        direction = orthogonal(ahead.to(self.dtype), self.num_iterations).float()
        scale = 0.2 * max(direction.shape) ** 0.5
        update: Tensor = (direction * scale).view_as(parameter)
        return update

    def _adam(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["count"] = torch.zeros(())
        gradient = parameter.grad
        assert gradient is not None
        first, second = self.betas
        state["count"] += 1
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].lerp_(gradient.square(), 1 - second)
        count = float(state["count"])
        mean = state["mean"] / (1 - first**count)
        update: Tensor = mean / ((state["square"] / (1 - second**count)).sqrt() + 1e-8)
        return update


def orthogonal(matrix: Tensor, num_iterations: int) -> Tensor:
    """Roughly the nearest (semi-)orthogonal matrix of a (rows, columns) one."""
    a, b, c = NEWTON_SCHULZ
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x: Tensor = wide / (wide.norm() + 1e-7)
    for _ in range(num_iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def muon_for(
    model: nn.Module,
    rate: float,
    exclude: tuple[str, ...] = (),
    weight_decay: float = 0.0,
    half: bool = False,
) -> Muon:
    """Muon on every hidden matrix of a model; Adam on vectors, tiny matrices and the names excluded.

    `half` finds Muon's directions in bfloat16.
    """
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        hidden = parameter.ndim >= 2 and min(parameter.flatten(1).shape) >= SMALLEST_SIDE
        # A depthwise convolution is a bundle of small filters, no matrix.
        hidden = hidden and not (parameter.ndim == 4 and parameter.shape[1] == 1)
        (matrices if hidden and not name.startswith(exclude) else others).append(parameter)
    return Muon(matrices, others, rate, weight_decay=weight_decay, half=half)
