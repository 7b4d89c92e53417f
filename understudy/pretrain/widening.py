"""Gives trained parts of a base more latent channels, or more attention, without changing what they draw.

New channels carry something from the start, but nothing listens to them yet: training goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

from understudy.bases.drawing_encoder import DrawingEncoder

LOG_VARIANCE = -6.0


@torch.no_grad()
def widen_autoencoder(model: AutoencoderKL, channels: int) -> AutoencoderKL:
    """The same autoencoder with `channels` latent channels, of which the old ones come first.

    Raises `ValueError` if it has more already.
    """
    old = int(model.config.latent_channels)
    _refuse_fewer(old, channels)
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
    _refuse_fewer(old, channels)
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


@torch.no_grad()
def widen_encoder(model: DrawingEncoder, channels: int) -> DrawingEncoder:
    """The same encoder of drawings for latents of `channels` channels, the new ones unread yet.

    Raises `ValueError` if it has more already.
    """
    old = int(model.config.in_channels)
    _refuse_fewer(old, channels)
    wide: DrawingEncoder = DrawingEncoder.from_config({**model.config, "in_channels": channels})
    own, state = wide.state_dict(), model.state_dict()
    for name in _copy_alike(own, state):
        own[name].zero_()
        _place(own[name], state[name], None, torch.arange(old))
    return wide


@torch.no_grad()
def add_attention(model: UNet2DConditionModel) -> UNet2DConditionModel:
    """The same denoiser, that can attend at its finest level, too; what it attends to adds nothing yet.

    Raises `ValueError` where it does already.
    """
    down, up = list(model.config.down_block_types), list(model.config.up_block_types)
    if "CrossAttn" in down[0]:
        raise ValueError("The denoiser attends at its finest level already.")
    down[0], up[-1] = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
    attending = UNet2DConditionModel.from_config(
        {**model.config, "down_block_types": down, "up_block_types": up}
    )
    own, state = attending.state_dict(), model.state_dict()
    for name, tensor in own.items():
        if name in state:
            tensor.copy_(state[name])
        elif ".proj_out." in name:
            tensor.zero_()
    return attending


def _refuse_fewer(old: int, channels: int) -> None:
    if channels < old:
        raise ValueError(f"There are {old} latent channels already: {channels} are fewer.")


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
