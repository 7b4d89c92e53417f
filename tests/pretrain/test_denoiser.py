"""The denoiser's training set, noise levels, loss and pipeline, at toy size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from tests.toy_base import make_toy_base
from understudy.pretrain import latents
from understudy.pretrain.denoiser import build, make_scheduler, sample_times, velocity_loss
from understudy.pretrain.latents import LatentStore, caption_of, painted, shown
from understudy.pretrain.shards import cell_weights
from understudy.pretrain.training import keyed
from understudy.world.captions import parse


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LatentStore:
    monkeypatch.setattr(latents, "SHARD", 4)
    vae = AutoencoderKL.from_pretrained(make_toy_base(tmp_path / "toy") / "vae")
    return LatentStore(tmp_path / "latents", vae)


def test_shards_are_made_once_and_read_again(store: LatentStore, tmp_path: Path) -> None:
    store.grow_to(2)
    first, weights = store.take([0, 5])
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "latents").iterdir()}
    again = LatentStore(store.folder, store.vae)
    again.grow_to(2)
    assert len(again) == 8
    assert torch.equal(first, again.take([0, 5])[0])
    assert weights.shape == (2, 1, *first.shape[-2:])
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "latents").iterdir()}


def test_a_number_says_what_its_picture_shows() -> None:
    assert shown(5) == shown(5)
    assert (painted(5).pixels == painted(5).pixels).all()
    for number in range(60):
        what = shown(number)
        said = parse(caption_of(what, f"a {number}"), what.name).attributes.said()
        told = what.attributes.said() | {"kind": what.traits["kind"]}
        assert said.items() <= told.items()


def test_faces_weigh_more_than_paper() -> None:
    number = next(n for n in range(100) if shown(n).attributes.view == "front")
    weights = cell_weights(painted(number), 12)
    assert weights.shape == (12, 12)
    assert weights.min() == 1
    assert weights.max() > 3


def test_noise_levels_lie_around_the_middle_and_reach_both_ends() -> None:
    alphas = make_scheduler().alphas_cumprod
    times = sample_times(4000, alphas, keyed(0, 0))
    log_snr = (alphas / (1 - alphas)).clamp(1e-8).log()[times]
    assert 0 <= times.min() < 50
    assert 950 < times.max() < 1000
    assert log_snr.median().abs() < 0.5
    assert alphas[-1] < 1e-6


def test_a_perfect_answer_has_no_loss() -> None:
    alphas = make_scheduler().alphas_cumprod
    clean, noise = torch.randn(3, 4, 2, 2), torch.randn(3, 4, 2, 2)
    times = torch.tensor([10, 500, 999])
    share = alphas[times].view(-1, 1, 1, 1)
    answer = share.sqrt() * noise - (1 - share).sqrt() * clean
    weights = torch.ones(3, 1, 2, 2)

    def loss(value: torch.Tensor) -> torch.Tensor:
        return velocity_loss(lambda *_: value, alphas, clean, weights, torch.zeros(3), times, noise)

    assert loss(answer).max() < 1e-9
    assert torch.allclose(loss(answer + 1), torch.ones(3), atol=1e-4)


def test_captions_reach_the_middle_of_the_unet() -> None:
    torch.manual_seed(0)
    unet = build().eval()
    noisy, times = torch.randn(1, unet.config.in_channels, 12, 12), torch.tensor([500])
    one, other = torch.randn(1, 40, 256), torch.randn(1, 40, 256)
    with torch.no_grad():
        assert not torch.allclose(unet(noisy, times, one).sample, unet(noisy, times, other).sample)
    assert isinstance(unet.add_embedding, torch.nn.Module)
