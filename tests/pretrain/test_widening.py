"""More latent channels change no picture until they are trained."""

from __future__ import annotations

import pytest
import torch

from understudy.pretrain.autoencoder import build as build_autoencoder
from understudy.pretrain.denoiser import build as build_denoiser
from understudy.pretrain.widening import widen_autoencoder, widen_denoiser


def test_a_wider_autoencoder_redraws_the_same_and_can_learn_more() -> None:
    torch.manual_seed(0)
    narrow = build_autoencoder().eval()
    wide = widen_autoencoder(narrow, 30).eval()
    old = narrow.config.latent_channels
    image = torch.rand(1, 3, 96, 96) * 2 - 1
    with torch.no_grad():
        before, after = narrow.encode(image).latent_dist, wide.encode(image).latent_dist
        assert torch.allclose(before.mean, after.mean[:, :old], atol=1e-5)
        assert torch.allclose(before.logvar, after.logvar[:, :old], atol=1e-5)
        assert after.mean[:, old:].std() > 0
        redrawn = wide.decode(after.mean).sample
        assert torch.allclose(narrow.decode(before.mean).sample, redrawn, atol=1e-5)
    torch.autograd.backward(wide.decode(wide.encode(image).latent_dist.mean).sample.square().mean())
    assert wide.decoder.conv_in.weight.grad[:, old:].abs().sum() > 0


def test_a_wider_denoiser_answers_the_same_for_the_old_channels() -> None:
    torch.manual_seed(0)
    narrow = build_denoiser(channels=4).eval()
    wide = widen_denoiser(narrow, 6).eval()
    noisy, words = torch.randn(1, 6, 12, 12), torch.randn(1, 40, 256)
    with torch.no_grad():
        before = narrow(noisy[:, :4], 500, words).sample
        after = wide(noisy, 500, words).sample
    assert torch.allclose(before, after[:, :4], atol=1e-5)
    assert not after[:, 4:].any()


def test_fewer_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer"):
        widen_autoencoder(build_autoencoder(), 4)
    with pytest.raises(ValueError, match="fewer"):
        widen_denoiser(build_denoiser(), 4)
