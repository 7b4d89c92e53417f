"""How the embedded base learns to look at drawings, at toy size."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor

from tests.toy_base import WIDTH, make_toy_base
from understudy.bases.drawing_encoder import DrawingEncoder
from understudy.pretrain import casts, latents
from understudy.pretrain.casts import DRAWINGS, PICTURES, PORTRAIT, CastStore, cast
from understudy.pretrain.denoiser import Course, Lessons, make_scheduler
from understudy.pretrain.latents import LatentStore
from understudy.pretrain.looking import TARGETS, Lesson, Looking, fit, introduce

COURSE = Course(steps=8, batch=6, rate=1e-3, decay_from=0.5, shards=2, steps_per_shard=4, seed=3)


SIDE = 12
"""Latents of 16 px each, as the embedded base has them: the world's pictures are larger than the toy's."""


@pytest.fixture(scope="module", autouse=True)
def _small_shards() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(casts, "CASTS", 4)
        patch.setattr(latents, "SHARD", 8)
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tests only read it, and the stores beside it."""
    folder = make_toy_base(tmp_path_factory.mktemp("looking") / "toy")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = AutoencoderKL(
            block_out_channels=(8,) * 5,
            down_block_types=("DownEncoderBlock2D",) * 5,
            up_block_types=("UpDecoderBlock2D",) * 5,
            norm_num_groups=4,
            mid_block_add_attention=False,
        )
    vae.save_pretrained(folder / "vae")
    return folder


@pytest.fixture(scope="module")
def store(base: Path) -> CastStore:
    made = CastStore(base.parent / "casts", AutoencoderKL.from_pretrained(base / "vae"))
    made.grow_to(1)
    return made


def make_lesson(base: Path, store: CastStore) -> Lesson:
    known = LatentStore(base.parent / "latents", store.vae)
    known.grow_to(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = DrawingEncoder(in_channels=4, cells=SIDE, width=16, text_width=WIDTH)
    model = Looking(UNet2DConditionModel.from_pretrained(base / "unet"), encoder)
    lessons = Lessons(known, base, COURSE.seed, COURSE.batch)
    return Lesson(model, COURSE, lessons, store, False, make_scheduler().alphas_cumprod)


def test_a_cast_is_drawn_as_the_study_asks() -> None:
    for number in range(20):
        who = cast(number)
        drawn = who.wishes[:DRAWINGS]
        assert [wish.view for wish in drawn] == ["front", "front", "front", "side", "side", "back"]
        assert [wish.framing == "portrait" for wish in drawn] == [at == PORTRAIT for at in range(DRAWINGS)]
        assert {wish.place for wish in drawn} == {"paper"}
        assert who == cast(number)
    assert cast(1).stranger != cast(2).stranger


def test_casts_are_painted_once_and_read_again(store: CastStore, base: Path) -> None:
    assert len(store) == 4
    again = CastStore(store.folder, store.vae)
    again.grow_to(1)
    first, weights = store.take(2, [0, 7])
    assert torch.equal(first, again.take(2, [0, 7])[0])
    assert weights.shape == (2, 1, *first.shape[-2:])
    assert not torch.equal(*store.take(1, [0, 1])[0])


def test_casts_of_another_encoder_are_refused(store: CastStore) -> None:
    other = AutoencoderKL.from_config(store.vae.config)
    with pytest.raises(ValueError, match="another encoder"):
        CastStore(store.folder, other)


def test_no_picture_is_among_the_drawings_beside_it(store: CastStore) -> None:
    counts = set()
    for step in range(12):
        made = introduce(store, 1, step, 2)
        counts.add(made.drawings.shape[1])
        assert len(made.clean) == len(made.captions) == 2 * TARGETS
        for of, drawings in enumerate(made.drawings):
            for picture in made.clean[of * TARGETS : (of + 1) * TARGETS]:
                assert not any(torch.equal(picture, drawing) for drawing in drawings)
    assert DRAWINGS in counts
    assert len(counts) > 2
    assert max(counts) < PICTURES


def test_both_learn_and_what_is_unshown_stands_as_zeros(
    base: Path, store: CastStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = make_lesson(base, store)
    seen: list[Tensor] = []
    own = lesson.model.unet.forward

    def listen(noisy: Tensor, times: Tensor, text: Tensor) -> object:
        seen.append(text.detach())
        return own(noisy, times, text)

    monkeypatch.setattr(lesson.model.unet, "forward", listen)
    loss, figures = lesson.loss(0)
    torch.autograd.backward(loss)
    assert all(weight.grad is not None for weight in lesson.model.encoder.parameters())
    assert set(figures) == {"known", "introduced"}
    for step in range(1, 8):
        lesson.loss(step)
    long = [text for text in seen if text.shape[1] > 40]
    # The world's own at the length of casts, beside nothing, and alone, at their own.
    assert any(len(text) == 6 + 12 and not text[:6, 40:].any() for text in long)
    assert any(len(text) == 6 and text.shape[1] == 40 for text in seen)
    beside = torch.cat([text[-12:, 40:].abs().amax((1, 2)) for text in long])
    assert 0 < (beside == 0).sum() < len(beside) / 2


def test_the_same_course_gives_the_same_weights(base: Path, store: CastStore, tmp_path: Path) -> None:
    def trained(name: str) -> dict[str, Tensor]:
        into = tmp_path / name
        shutil.copytree(base, into)
        fit(make_lesson(base, store), tmp_path / f"state-{name}", into, lambda step: None, 4)
        return load_file(into / "drawing_encoder" / "diffusion_pytorch_model.safetensors")

    first, second = trained("first"), trained("second")
    assert all(torch.equal(first[name], second[name]) for name in first)
    begun = make_lesson(base, store).model.encoder.state_dict()
    assert all(not torch.equal(first[name], begun[name]) for name in first)
