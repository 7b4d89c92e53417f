"""What is done to drawings so that few are many, and that none of it can be learned as part of them."""

from __future__ import annotations

import pytest
import torch

from understudy.methods.augmenting import augment_alike, augment_and_tell
from understudy.methods.examples import keyed
from understudy.recipes import Augmentation

PICTURES = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("kind", ["colour", "translation", "cutout"])
def test_each_change_is_keyed_and_lets_gradients_pass(kind: Augmentation) -> None:
    pictures = PICTURES.clone().requires_grad_(True)
    changed, again, other = (augment_alike(pictures, (kind,), keyed(seed)) for seed in (1, 1, 2))
    assert changed.shape == pictures.shape
    assert torch.equal(changed, again)
    assert not torch.equal(changed, other)
    torch.autograd.backward(changed.sum())
    assert pictures.grad is not None
    assert pictures.grad.abs().sum() > 0


def test_no_change_is_no_change() -> None:
    assert augment_alike(PICTURES, (), keyed(1)) is PICTURES


def test_a_moved_picture_is_the_picture_elsewhere() -> None:
    moved = augment_alike(PICTURES[:1], ("translation",), keyed(3))[0]
    ways = [(down, right) for down in range(-4, 5) for right in range(-4, 5)]
    inner = slice(8, 24)
    found = [
        way
        for way in ways
        if torch.equal(moved[:, inner, inner], PICTURES[0].roll(way, (1, 2))[:, inner, inner])
    ]
    assert len(found) == 1


def test_a_square_is_cut_out() -> None:
    cut = augment_alike(torch.ones(8, 3, 32, 32), ("cutout",), keyed(1))
    shares = (cut == 0).float().mean(dim=(1, 2, 3))
    assert 0 < shares.min() <= shares.max() <= 0.25 + 1e-6


def test_what_is_not_changed_is_told_so_and_stays_to_the_bit() -> None:
    changed, labels = augment_and_tell(PICTURES, 0.2, keyed(1))
    is_told = labels.abs().sum(dim=1) > 0
    is_other = (changed != PICTURES).flatten(1).any(dim=1)
    assert torch.equal(is_told, is_other)
    assert 0 < int(is_told.sum()) < len(PICTURES)
    assert torch.equal(augment_and_tell(PICTURES, 0.0, keyed(1))[0], PICTURES)


def test_a_mirrored_picture_is_told_as_one() -> None:
    for seed in range(200):
        changed, labels = augment_and_tell(PICTURES[:1], 0.3, keyed(seed))
        if labels[0].tolist() == [1, 0, 0, 0, 0]:
            assert torch.allclose(changed, PICTURES[:1].flip(3), atol=1e-5)
            return
    raise AssertionError("none of them was mirrored and nothing else")
