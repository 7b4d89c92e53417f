"""Gives a trained autoencoder and its denoiser more latent channels without changing what they draw.

The new channels carry something from the start, but nothing listens to them yet: training goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

LOG_VARIANCE = -6.0


@torch.no_grad()
def widen_autoencoder(model: AutoencoderKL, channels: int) -> AutoencoderKL:
    """The same autoencoder with `channels` latent channels, of which the old ones come first.

    Raises `ValueError` if it has more already.
    """
    old = int(model.config.latent_channels)
    if channels < old:
        raise ValueError(f"The autoencoder has {old} latent channels: {channels} are fewer.")
    wide = AutoencoderKL.from_config({**model.config, "latent_channels": channels})
    state = model.state_dict()
    own = wide.state_dict()
    _copy_alike(own, state)
    means, both = torch.arange(old), torch.cat([torch.arange(old), channels + torch.arange(old)])
    fresh = torch.arange(old, channels)

    features = own["encoder.conv_out.weight"]
    features[fresh] = nn.init.orthogonal_(torch.empty_like(features[fresh]))
    own["encoder.conv_out.bias"].zero_()
    _place(own["encoder.conv_out.weight"], state["encoder.conv_out.weight"], both, None)
    _place(own["encoder.conv_out.bias"], state["encoder.conv_out.bias"], both, None)

    for name, kept in (("quant_conv", both), ("post_quant_conv", means)):
        own[f"{name}.weight"].zero_()
        own[f"{name}.bias"].zero_()
        own[f"{name}.weight"][fresh, fresh] = 1.0
        _place(own[f"{name}.weight"], state[f"{name}.weight"], kept, kept)
        _place(own[f"{name}.bias"], state[f"{name}.bias"], kept, None)
    own["quant_conv.bias"][channels + fresh] = LOG_VARIANCE

    own["decoder.conv_in.weight"].zero_()
    _place(own["decoder.conv_in.weight"], state["decoder.conv_in.weight"], None, means)
    return wide


@torch.no_grad()
def widen_denoiser(model: UNet2DConditionModel, channels: int) -> UNet2DConditionModel:
    """The same denoiser for latents of `channels` channels: the new ones are neither read nor predicted yet.

    Raises `ValueError` if it has more already.
    """
    old = int(model.config.in_channels)
    if channels < old:
        raise ValueError(f"The denoiser has {old} latent channels: {channels} are fewer.")
    wide = UNet2DConditionModel.from_config(
        {**model.config, "in_channels": channels, "out_channels": channels}
    )
    state = model.state_dict()
    own = wide.state_dict()
    means = torch.arange(old)
    for name in _copy_alike(own, state):
        own[name].zero_()
    _place(own["conv_in.weight"], state["conv_in.weight"], None, means)
    _place(own["conv_out.weight"], state["conv_out.weight"], means, None)
    _place(own["conv_out.bias"], state["conv_out.bias"], means, None)
    return wide


def _copy_alike(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Copy into `own` all that has kept its shape, and return the names of the others."""
    alike = [name for name, tensor in own.items() if tensor.shape == state[name].shape]
    for name in alike:
        own[name].copy_(state[name])
    return [name for name in own if name not in alike]


def _place(target: Tensor, source: Tensor, rows: Tensor | None, columns: Tensor | None) -> None:
    """Write `source` into the rows and columns of `target`; None stands for all of them."""
    if rows is not None and columns is not None:
        target[rows[:, None], columns[None]] = source
    elif rows is not None:
        target[rows] = source
    else:
        target[:, columns] = source
