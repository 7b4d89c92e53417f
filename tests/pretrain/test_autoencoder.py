"""The autoencoder's start, its loss and the scale of its latents."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from understudy.methods.picture_loss import reconstruction_loss
from understudy.pretrain import autoencoder
from understudy.pretrain.autoencoder import (
    DETAIL_DEVIATION,
    build,
    fit,
    psnr,
    scale_channels,
)
from understudy.pretrain.crops import CROP, training_crops, training_picture
from understudy.pretrain.widening import widen_autoencoder
from understudy.world.shapes import random_drawing


@pytest.fixture(scope="module")
def fresh() -> AutoencoderKL:
    torch.manual_seed(0)
    return build().eval()


def test_colours_pass_through_from_the_start(fresh: AutoencoderKL) -> None:
    broad, seen = [], []
    for seed in range(4):
        pixels = random_drawing(seed)
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.no_grad():
            output = fresh.decode(fresh.encode(image).latent_dist.mean).sample
        broad.append(torch.nn.functional.avg_pool2d(image, 16).flatten())
        seen.append(torch.nn.functional.avg_pool2d(output, 16).flatten())
    assert torch.corrcoef(torch.stack([torch.cat(broad), torch.cat(seen)]))[0, 1] > 0.8


def test_scaling_changes_the_latents_and_no_picture() -> None:
    torch.manual_seed(0)
    model = build().eval()
    pictures = [training_picture(number, 0.1)[0] for number in range(3)]
    image = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1

    def redrawn() -> torch.Tensor:
        output: torch.Tensor = model.decode(model.encode(image).latent_dist.mean).sample
        return output

    with torch.no_grad():
        before = redrawn()
        deviation = model.encode(image).latent_dist.std.mean()
        scale_channels(model, num_pictures=6)
        latents = model.encode(image).latent_dist
        after = redrawn()
    assert torch.allclose(before, after, atol=2e-3)
    assert (latents.mean.std((0, 2, 3)) - 1).abs().max() < 0.6
    assert latents.std.mean() != deviation
    assert model.config.scaling_factor == 1.0


def test_channels_that_came_later_are_scaled_alone() -> None:
    torch.manual_seed(0)
    model = widen_autoencoder(build(), 20).eval()
    pictures = [training_picture(number, 0.1)[0] for number in range(3)]
    image = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        before = model.encode(image).latent_dist.mean
        scale_channels(model, 16, DETAIL_DEVIATION, num_pictures=6)
        after = model.encode(image).latent_dist.mean
    assert torch.allclose(before[:, :16], after[:, :16], atol=1e-5)
    assert (after[:, 16:].std((0, 2, 3)) / DETAIL_DEVIATION - 1).abs().max() < 0.6


def test_held_channels_stay_nearly_as_they_are_while_others_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoencoder, "scale_channels", partial(scale_channels, num_pictures=6))
    torch.manual_seed(0)
    start = build().eval()
    start.save_pretrained(tmp_path / "start")

    def change(hold: Path | None) -> float:
        state = tmp_path / ("held" if hold else "free")
        trained = fit(state, 6, 2, 3e-3, 0, 0.5, tmp_path / "start", "cpu", channels=18, hold=hold).eval()
        assert trained.config.latent_channels == 18
        image = torch.from_numpy(random_drawing(5)).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.no_grad():
            known = start.encode(image).latent_dist.mean
            found = trained.encode(image).latent_dist.mean
        return float((found[:, :16] - known).square().mean() / known.square().mean())

    assert change(tmp_path / "start") < 0.5 * change(None)


def test_training_the_decoder_alone_keeps_the_latents(tmp_path: Path) -> None:
    torch.manual_seed(0)
    start = build().eval()
    start.save_pretrained(tmp_path / "start")
    trained = fit(tmp_path / "state", 2, 2, 1e-3, 0, 0.5, tmp_path / "start", "cpu", decoder_only=True)
    before, after = start.state_dict(), trained.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"decoder", "post_quant_conv"}


def test_the_same_step_gives_the_same_crops() -> None:
    first, weights = training_crops(3, 7, 4, 0.5)
    again, _ = training_crops(3, 7, 4, 0.5)
    other, _ = training_crops(3, 8, 4, 0.5)
    assert first.shape == (4, 3, CROP, CROP)
    assert weights.shape == (4, 1, CROP, CROP)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_loss_counts_weighted_pixels_more() -> None:
    target = torch.zeros(1, 3, 32, 32)
    weights = torch.ones(1, 1, 32, 32)
    weights[..., :16, :] = 8
    wrong_face, wrong_paper = target.clone(), target.clone()
    wrong_face[..., 4:8, 4:8] = 1
    wrong_paper[..., 20:24, 4:8] = 1
    assert reconstruction_loss(target, target, weights) == 0
    face = reconstruction_loss(wrong_face, target, weights)
    assert face > 4 * reconstruction_loss(wrong_paper, target, weights)


def test_psnr_of_a_copy_and_of_noise(fresh: AutoencoderKL) -> None:
    assert 8 < psnr(fresh, [random_drawing(1)]) < 40
