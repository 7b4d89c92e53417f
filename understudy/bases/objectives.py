"""What a denoiser is trained to predict: noise (eps), velocity (v) or flow, behind one small interface.

The shape of it follows k-diffusion and minRF: an objective says which times to train at, and turns clean
latents and noise into what the denoiser sees and what it should answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from understudy.domain import UserError

Spread = Literal["even", "logit-normal"]
"""Which times a flow is trained at before its shift: all alike, or those in the middle more."""


@dataclass(frozen=True)
class Corrupted:
    """What the denoiser sees, what it should answer, and how much each example counts: `weight` (B)."""

    noisy: Tensor
    target: Tensor
    weight: Tensor


class Objective(Protocol):
    """One kind of prediction."""

    @property
    def num_times(self) -> int:
        """What its times run to: all is noise there."""
        ...

    def sample_times(self, count: int, generator: torch.Generator) -> Tensor:
        """Times (count) on the CPU in the denoiser's own units, spread evenly over the whole range."""
        ...

    def corrupt(self, clean: Tensor, noise: Tensor, times_B: Tensor) -> Corrupted:
        """Clean latents (B, ...) and noise of the same shape, mixed as the times say."""
        ...


@dataclass(frozen=True)
class Eps:
    """Predict the noise (Ho et al., DDPM, arXiv 2006.11239, equation 14)."""

    alphas_cumprod: Tensor
    min_snr: float = 0.0

    @property
    def num_times(self) -> int:
        """As many as the noise schedule has steps."""
        return len(self.alphas_cumprod)

    def sample_times(self, count: int, generator: torch.Generator) -> Tensor:
        """Whole steps of the noise schedule."""
        return _discrete_times(count, len(self.alphas_cumprod), generator)

    def corrupt(self, clean: Tensor, noise: Tensor, times_B: Tensor) -> Corrupted:
        """Weight min(snr, cap) / snr, which is 1 where there is no signal at all."""
        alpha, sigma, snr_B = _mix(self.alphas_cumprod, times_B, clean)
        weight_B = torch.ones_like(snr_B)
        if self.min_snr > 0:
            weight_B = (self.min_snr / snr_B.clamp(min=self.min_snr)).clamp(max=1)
        return Corrupted(alpha * clean + sigma * noise, noise, weight_B)


@dataclass(frozen=True)
class Velocity:
    """Predict v = alpha noise - sigma clean (Salimans & Ho, arXiv 2202.00512, appendix D).

    Defined where the signal-to-noise ratio is zero, too (Lin et al., arXiv 2305.08891).
    """

    alphas_cumprod: Tensor
    min_snr: float = 0.0

    @property
    def num_times(self) -> int:
        """As many as the noise schedule has steps."""
        return len(self.alphas_cumprod)

    def sample_times(self, count: int, generator: torch.Generator) -> Tensor:
        """Whole steps of the noise schedule."""
        return _discrete_times(count, len(self.alphas_cumprod), generator)

    def corrupt(self, clean: Tensor, noise: Tensor, times_B: Tensor) -> Corrupted:
        """Weight min(snr, cap) / (snr + 1), scaled so that the cap's own level counts 1."""
        alpha, sigma, snr_B = _mix(self.alphas_cumprod, times_B, clean)
        weight_B = torch.ones_like(snr_B)
        if self.min_snr > 0:
            weight_B = snr_B.clamp(max=self.min_snr) / (snr_B + 1) * (self.min_snr + 1) / self.min_snr
        return Corrupted(alpha * clean + sigma * noise, alpha * noise - sigma * clean, weight_B)


@dataclass(frozen=True)
class Flow:
    """Predict noise - clean on the straight path between them (Liu et al., arXiv 2209.03003).

    `shift` moves the times towards noise, as larger pictures need (Esser et al., arXiv 2403.03206, equation
    23); with the spread "logit-normal" they are sigmoids of standard normal numbers (its section 3.1).
    """

    shift: float = 1.0
    num_times: int = 1000
    spread: Spread = "even"

    def sample_times(self, count: int, generator: torch.Generator) -> Tensor:
        """Times in (0, num_times), one in each of `count` equally likely parts of it."""
        t = _spread(count, generator)
        if self.spread == "logit-normal":
            t = torch.special.ndtri(t).sigmoid()
        return self.num_times * self.shift * t / (1 + (self.shift - 1) * t)

    def corrupt(self, clean: Tensor, noise: Tensor, times_B: Tensor) -> Corrupted:
        """All times count the same."""
        t = _like((times_B / self.num_times).to(clean), clean)
        return Corrupted((1 - t) * clean + t * noise, noise - clean, torch.ones_like(t.flatten()))


def make_objective(
    scheduler_config: Mapping[str, object], alphas_cumprod_T: Tensor, min_snr: float = 0.0
) -> Objective:
    """The objective that a scheduler's config names; raises `UserError` for one that is not known."""
    prediction = scheduler_config.get("prediction_type", "epsilon")
    match prediction:
        case "epsilon":
            return Eps(alphas_cumprod_T, min_snr)
        case "v_prediction":
            return Velocity(alphas_cumprod_T, min_snr)
        case "flow_prediction":
            return Flow(float(str(scheduler_config.get("flow_shift", 1.0))))
        case _:
            raise UserError(f"The base predicts {prediction!r}, which is unknown here: choose another base.")


def make_flow(
    scheduler_config: Mapping[str, Any], min_snr: float, shift: float, spread: Spread = "even"
) -> Flow:
    """The flow that a base with this scheduler is trained by, at times moved by `shift`.

    A scheduler that moves its own times by the picture's size does so only in drawing: then they stay even.
    Raises `UserError` for a cap, because all times count the same.
    """
    if min_snr:
        raise UserError("min_snr is for bases that predict noise, and this one does not: leave it at 0.")
    is_dynamic = scheduler_config["use_dynamic_shifting"]
    return Flow(1.0 if is_dynamic else float(shift), scheduler_config["num_train_timesteps"], spread)


def _spread(count: int, generator: torch.Generator) -> Tensor:
    """`count` numbers in (0, 1), one in each equal part of it, in random order.

    Stratified, because a handful of independent times makes the loss of a small batch needlessly noisy.
    """
    places = torch.randperm(count, generator=generator)
    return (places + torch.rand(count, generator=generator)) / count


def _discrete_times(count: int, num_times: int, generator: torch.Generator) -> Tensor:
    return (_spread(count, generator) * num_times).long().clamp(max=num_times - 1)


def _mix(alphas_cumprod_T: Tensor, times_B: Tensor, clean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """alpha and sigma, shaped to multiply `clean`, and the signal-to-noise ratio (B)."""
    share_B = alphas_cumprod_T.to(clean, non_blocking=True)[times_B]
    snr_B = share_B / (1 - share_B).clamp(min=1e-12)
    return _like(share_B.sqrt(), clean), _like((1 - share_B).sqrt(), clean), snr_B


def _like(values_B: Tensor, clean: Tensor) -> Tensor:
    return values_B.reshape(-1, *[1] * (clean.dim() - 1))
