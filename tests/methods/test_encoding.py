"""Latents that hold: an autoencoder that is too large for fp16, and one that overflows all the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from understudy.bases.base import Base, Latents
from understudy.bases.noising import encode_pixels
from understudy.bases.opening import open_base
from understudy.bases.sd1 import Sd1Base
from understudy.domain import UserError
from understudy.events import ignore
from understudy.methods.encoding import encode_pictures
from understudy.runs import Plan

PICTURES = [np.full((32, 32, 3), grey, np.uint8) for grey in (0, 100, 255)]
CPU = Plan(device="cpu", precision="fp32", threads=1)


@pytest.fixture
def base(toy_base: Path) -> Base:
    return open_base(toy_base, CPU)


def test_in_fp16_it_encodes_in_fp32_where_its_config_says_so(base: Base) -> None:
    half = replace(base, plan=CPU.model_copy(update={"precision": "fp16"}))
    half.pipe.vae.to(torch.float16).register_to_config(force_upcast=True)
    exact = encode_pictures(half, PICTURES, ignore)
    assert half.pipe.vae.dtype == torch.float16
    half.pipe.vae.register_to_config(force_upcast=False)
    rough = encode_pictures(half, PICTURES, ignore)
    half.pipe.vae.to(torch.float32)
    whole = encode_pictures(half, PICTURES, ignore)
    assert torch.equal(exact.mean, whole.mean)  # the same weights, as fp16 holds them
    assert not torch.equal(rough.mean, whole.mean)


def test_so_it_does_for_what_a_redrawn_picture_keeps(base: Base) -> None:
    half = replace(base, plan=CPU.model_copy(update={"precision": "fp16"}))
    half.pipe.vae.to(torch.float16).register_to_config(force_upcast=True)
    exact = encode_pixels(half, PICTURES[1])
    assert half.pipe.vae.dtype == torch.float16
    half.pipe.vae.to(torch.float32)
    assert torch.equal(exact, encode_pixels(half, PICTURES[1]))


def test_latents_that_overflow_are_refused(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torch.ones(1, 4, 8, 8)
    monkeypatch.setattr(Sd1Base, "encode_image", lambda self, pixels: Latents(whole * float("nan"), whole))
    with pytest.raises(UserError, match="overflows in fp32: learn in a new run folder"):
        encode_pictures(base, PICTURES, ignore)
