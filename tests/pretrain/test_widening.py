"""More latent channels change no picture until they are trained."""

from __future__ import annotations

import pytest
import torch

from understudy.bases.drawing_encoder import DrawingEncoder
from understudy.pretrain.autoencoder import build as build_autoencoder
from understudy.pretrain.denoiser import build as build_denoiser
from understudy.pretrain.widening import add_attention, widen_autoencoder, widen_denoiser, widen_encoder


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


def test_a_wider_encoder_sees_the_same_in_the_old_channels() -> None:
    torch.manual_seed(0)
    narrow = DrawingEncoder(in_channels=4, cells=8, width=16, text_width=32).eval()
    wide = widen_encoder(narrow, 6).eval()
    latents = torch.randn(1, 2, 6, 8, 8)
    with torch.no_grad():
        assert torch.allclose(narrow(latents[:, :, :4]), wide(latents), atol=1e-6)
    torch.autograd.backward(wide(latents).square().sum())
    assert wide.conv_in.weight.grad[:, 4:].abs().sum() > 0


def test_attention_at_the_finest_level_changes_nothing_and_can_learn() -> None:
    torch.manual_seed(0)
    plain = build_denoiser(channels=4).eval()
    attending = add_attention(plain).eval()
    noisy, words = torch.randn(1, 4, 12, 12), torch.randn(1, 40, 256)
    answer = attending(noisy, 500, words).sample
    with torch.no_grad():
        assert torch.allclose(plain(noisy, 500, words).sample, answer, atol=1e-5)
    torch.autograd.backward(answer.square().sum())
    for block in (attending.down_blocks[0], attending.up_blocks[-1]):
        assert all(one.proj_out.weight.grad.abs().sum() > 0 for one in block.attentions)
    with pytest.raises(ValueError, match="already"):
        add_attention(attending)


def test_fewer_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer"):
        widen_autoencoder(build_autoencoder(), 4)
    with pytest.raises(ValueError, match="fewer"):
        widen_denoiser(build_denoiser(), 4)
    with pytest.raises(ValueError, match="fewer"):
        widen_encoder(DrawingEncoder(), 4)
