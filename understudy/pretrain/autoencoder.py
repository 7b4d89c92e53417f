"""Trains the embedded autoencoder: 192 x 192 pictures to 12 x 12 latents of 16 channels and back.

With a factor of 16 the denoiser, which does most of the work, has a quarter of the places to visit that the
usual factor of 8 has. 16 channels hold a face but not a patterned shirt; 24 hold both, but twice no denoiser
learned them well (docs/log.md).
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from understudy.domain import Pixels
from understudy.methods.picture_loss import reconstruction_loss
from understudy.pretrain.crops import training_crops, training_picture
from understudy.pretrain.muon import muon_for
from understudy.pretrain.training import autocast, keyed, train
from understudy.pretrain.widening import LOG_VARIANCE, widen_autoencoder
from understudy.world.canvas import SIZE
from understudy.world.shapes import random_drawing

LATENT_CHANNELS = 16
HELD_WEIGHT = 20.0
"""Of the squared change of channels that are held: what a denoiser has learned of them stays right."""
DETAIL_DEVIATION = 0.5
"""Of channels that came later, where the others have 1: details drown in noise before shapes do."""


def build() -> AutoencoderKL:
    """The autoencoder, its residual branches silent at first: a plain pyramid before it refines."""
    model = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 5,
        up_block_types=("UpDecoderBlock2D",) * 5,
        block_out_channels=(16, 32, 64, 128, 128),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        mid_block_add_attention=False,
        sample_size=SIZE,
    )
    for name, parameter in model.named_parameters():
        if name.endswith(("conv2.weight", "conv2.bias")):
            torch.nn.init.zeros_(parameter)
    _carry_colour(model)
    # Start almost without noise: the second half of the moments is the log-variance.
    with torch.no_grad():
        model.quant_conv.weight[LATENT_CHANNELS:].zero_()
        model.quant_conv.bias[LATENT_CHANNELS:].fill_(LOG_VARIANCE)
    return model


@torch.no_grad()
def _carry_colour(model: AutoencoderKL) -> None:
    """Let six channels carry plus and minus red, green and blue, averaged, from picture to latents and back.

    From a random start the model learns lines in minutes and stays blind to colour (docs/log.md). Pairs of
    opposite sign pass through SiLU unharmed: silu(x) - silu(-x) = x.
    """
    sign = torch.cat([torch.eye(3), -torch.eye(3)])
    _set_taps(model.encoder.conv_in, sign, ((1, 1),))
    _set_taps(model.encoder.conv_out, torch.cat([torch.eye(3), -torch.eye(3)], 1), ((1, 1),))
    _set_taps(model.decoder.conv_in, sign, ((1, 1),))
    _set_taps(model.decoder.conv_out, torch.cat([torch.eye(3), -torch.eye(3)], 1), ((1, 1),))
    for name, module in model.named_modules():
        if not isinstance(module, torch.nn.Conv2d):
            continue
        if "conv_shortcut" in name:
            _set_taps(module, torch.eye(6), ((0, 0),))
        elif "downsamplers" in name:
            _set_taps(module, torch.eye(6), ((0, 0), (0, 1), (1, 0), (1, 1)))
        elif "upsamplers" in name:
            _set_taps(module, torch.eye(6), ((1, 1),))
    _set_taps(model.quant_conv, torch.eye(3), ((0, 0),))
    _set_taps(model.post_quant_conv, torch.eye(3), ((0, 0),))


def _set_taps(conv: torch.nn.Conv2d, matrix: Tensor, taps: tuple[tuple[int, int], ...]) -> None:
    """The first rows of outputs become `matrix` times the first inputs, averaged over kernel places."""
    rows, columns = matrix.shape
    conv.weight[:rows] = 0
    assert conv.bias is not None
    conv.bias[:rows] = 0
    for y, x in taps:
        conv.weight[:rows, :columns, y, x] = matrix / len(taps)


def psnr(model: AutoencoderKL, pictures: list[Pixels]) -> float:
    """Mean peak signal-to-noise ratio in dB over pictures (height, width, 3)."""
    values = []
    with torch.no_grad():
        for pixels in pictures:
            image = (torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1).to(model.device)
            output = model.decode(model.encode(image).latent_dist.mean).sample.clamp(-1, 1)
            values.append(-10 * math.log10(((output - image) / 2).square().mean().item() + 1e-12))
    return sum(values) / len(values)


def fit(
    folder: Path,
    num_steps: int,
    batch: int,
    rate: float,
    seed: int,
    shapes: float,
    start: Path | None,
    device: str,
    decoder_only: bool = False,
    half: bool = False,
    channels: int = LATENT_CHANNELS,
    hold: Path | None = None,
) -> AutoencoderKL:
    """Train to `num_steps`, resuming from `folder`, or beginning with the weights in `start`.

    Those may have fewer latent `channels`; the first of these then stay what they are in the autoencoder
    `hold`, if one is given, so that a denoiser of it need learn the others only.
    With `decoder_only` the latents stay what they are, and whatever was trained on them stays right. `half`
    computes in bfloat16; the weights stay fp32.
    """
    torch.manual_seed(seed)
    model = build() if start is None else _go_on_from(start, channels)
    model = model.to(device=device, memory_format=torch.channels_last)
    held = None if hold is None else _load(hold).to(device=device, memory_format=torch.channels_last)
    if decoder_only:
        model.encoder.requires_grad_(False)
        model.quant_conv.requires_grad_(False)
    ends = (
        "encoder.conv_in",
        "encoder.conv_out",
        "decoder.conv_in",
        "decoder.conv_out",
        "quant",
        "post_quant",
    )
    optimiser = muon_for(model, rate, ends, half=half)
    held_out = [random_drawing(-seed_ - 1) for seed_ in range(24)]

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        images, weights = (each.to(device) for each in training_crops(seed, step, batch, shapes))
        # Drawn on the CPU, so that every device sees the same noise.
        generator = keyed(seed, step)
        with autocast(device, half):
            posterior = model.encode(images).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(device)
        latents = posterior.mean + posterior.std * noise
        # A decoder that has seen disturbed latents forgives a denoiser's small errors.
        ramp = 0.25 * (1.0 if start else min(1.0, max(0.0, 2 * step / num_steps - 0.5)))
        strength = ramp * torch.rand(len(images), 1, 1, 1, generator=generator).square().to(device)
        spread = latents.detach().std()
        latents = latents + spread * strength * torch.randn(latents.shape, generator=generator).to(device)
        with autocast(device, half):
            output = model.decode(latents).sample
        loss = reconstruction_loss(output.float(), images, weights)
        loss = loss + 3e-4 * posterior.kl().mean() / latents[0].numel()
        if held is None:
            return loss, {}
        with torch.no_grad(), autocast(device, half):
            known = held.encode(images).latent_dist.mean.float()
        change = (posterior.mean[:, : known.shape[1]].float() - known).square().mean()
        return loss + HELD_WEIGHT * change, {"change": round(change.item(), 5)}

    def rate_of(step: int) -> float:
        warm = min(1.0, (step + 1) / 100)
        return rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / num_steps)))

    def check(step: int) -> dict[str, float]:
        return {"psnr_shapes": round(psnr(model, held_out), 2)}

    train(folder, model, optimiser, loss_of, rate_of, num_steps, check=check, check_every=500)
    return model


def _go_on_from(start: Path, channels: int) -> AutoencoderKL:
    """The autoencoder in `start`, widened to so many latent channels."""
    model = _load(start)
    old = int(model.config.latent_channels)
    if old == channels:
        return model
    model = widen_autoencoder(model, channels)
    scale_channels(model, old, DETAIL_DEVIATION)
    return model


def _load(folder: Path) -> AutoencoderKL:
    model: AutoencoderKL = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32)
    return model


def scale_channels(
    model: AutoencoderKL, first: int = 0, deviation: float = 1.0, num_pictures: int = 256, seed: int = 7
) -> None:
    """Give the latent channels from `first` on mean 0 and one deviation over the world.

    An affine map is folded into the two 1 x 1 convolutions at the latents, so pictures stay the same;
    `scaling_factor` becomes 1.
    """
    images = [training_picture(seed * 10**6 + index, 0.1)[0] for index in range(num_pictures)]
    means = []
    with torch.no_grad():
        for pixels in images:
            image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
            means.append(model.encode(image).latent_dist.mean)
        latents = torch.cat(means).permute(1, 0, 2, 3).flatten(1)
        mean, std = latents.mean(1), latents.std(1) / deviation
        mean[:first], std[:first] = 0, 1
        num = len(mean)
        quant, post = model.quant_conv, model.post_quant_conv
        post.bias += (post.weight[:, :, 0, 0] * mean).sum(1)
        post.weight *= std[None, :, None, None]
        quant.weight[:num] /= std[:, None, None, None]
        quant.bias[:num] = (quant.bias[:num] - mean) / std
        quant.bias[num:] -= 2 * std.log()
    model.register_to_config(scaling_factor=1.0)


def main() -> None:
    """Train, scale, and save in diffusers' layout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=Path("state/autoencoder"))
    parser.add_argument("--out", type=Path, default=Path("state/base/vae"))
    parser.add_argument("--start", type=Path)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--shapes", type=float, default=0.35)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--decoder-only", action="store_true", help="keep the latents of --start")
    parser.add_argument("--channels", type=int, default=LATENT_CHANNELS)
    parser.add_argument("--hold", type=Path, help="an autoencoder of fewer channels, which stay as they are")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    model = fit(
        args.state,
        args.steps,
        args.batch,
        args.rate,
        args.seed,
        args.shapes,
        args.start,
        args.device,
        args.decoder_only,
        args.half,
        args.channels,
        args.hold,
    ).cpu()
    if args.hold is not None and not args.decoder_only:
        scale_channels(model, int(_load(args.hold).config.latent_channels), DETAIL_DEVIATION)
    elif not args.decoder_only:
        scale_channels(model)
    model.save_pretrained(args.out)


if __name__ == "__main__":
    main()
