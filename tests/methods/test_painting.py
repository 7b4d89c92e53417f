"""Sizes, sketches and masks on the toy base, whose pictures are 32 x 32 pixels and its latents 8 x 8."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from PIL import Image

from tests.bases.toys import make_toy
from understudy.bases.base import Base
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.domain import Pixels, Scene, Sketch, UserError
from understudy.events import Event, Note, Step
from understudy.methods.masking import find_rest
from understudy.methods.painting import PipelinePainter
from understudy.recipes import DrawSettings
from understudy.runs import Plan

SCENES = [Scene("a picture of a girl", 4), Scene("a picture of a boy", 5)]
SETTINGS = DrawSettings(steps=10, guidance=2.0)


@pytest.fixture(scope="module")
def base(toy_base: Path) -> Base:
    return open_base(toy_base, Plan(device="cpu", precision="fp32", threads=1))


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def painter(base: Base, events: list[Event]) -> PipelinePainter:
    return PipelinePainter(base, lambda prompt: prompt, {}, events.append)


def under() -> Pixels:
    pixels = np.full((32, 32, 3), 230, np.uint8)
    pixels[8:24, 10:20] = (200, 60, 40)
    return pixels


def test_any_size_of_whole_cells_is_drawn_and_noted(painter: PipelinePainter, events: list[Event]) -> None:
    settings = SETTINGS.model_copy(update={"width": 48, "height": 24})
    picture = next(painter(SCENES[:1], settings))
    assert picture.pixels.shape == (24, 48, 3)
    assert (picture.record["width"], picture.record["height"]) == ("48", "24")
    assert [event.text for event in events if isinstance(event, Note)] == [
        "The base was trained at 32 x 32 pixels; other sizes come out worse."
    ]
    with pytest.raises(UserError, match="multiples of 8 pixels: take 48 instead of 47"):
        painter.canvas(SETTINGS.model_copy(update={"width": 47}))


def test_its_own_size_is_not_noted(painter: PipelinePainter, events: list[Event]) -> None:
    list(painter(SCENES[:1], SETTINGS.model_copy(update={"width": 32})))
    assert not any(isinstance(event, Note) for event in events)


def test_the_stronger_the_farther_from_the_sketch(
    base: Base, painter: PipelinePainter, events: list[Event]
) -> None:
    seen, away = autoencoded(base), []
    for strength in (0.1, 0.5, 1.0):
        (one, _) = painter(SCENES, SETTINGS, Sketch(under(), strength))
        away.append(np.abs(one.pixels - seen).mean())
    assert away == sorted(away)
    assert away[0] < 0.5 * away[2]
    steps = [event for event in events if isinstance(event, Step)]
    assert [(step.done, step.total) for step in steps if step.total == 1] == [(1, 1)]
    assert [step.total for step in steps if step.total == 10] == [10] * 10


def test_a_sketch_is_recorded(painter: PipelinePainter) -> None:
    plain, sketched = (
        next(painter(SCENES[:1], SETTINGS, sketch)).record
        for sketch in (None, Sketch(under(), 0.5, name="pose.png"))
    )
    assert sketched["sketch"] == "pose.png"
    assert sketched["strength"] == "0.5"
    assert len(sketched["sketch_sha256"]) == 64
    assert set(sketched) - set(plain) == {"sketch", "sketch_sha256", "strength"}


def test_plain_diffusers_draws_the_same_from_a_sketch(painter: PipelinePainter, base: Base) -> None:
    picture = next(painter(SCENES[:1], SETTINGS, Sketch(under(), 0.6)))
    plain = StableDiffusionImg2ImgPipeline(**base.pipe.components, requires_safety_checker=False)
    plain.set_progress_bar_config(disable=True)
    image = plain(
        SCENES[0].prompt,
        Image.fromarray(under()),
        strength=0.6,
        num_inference_steps=10,
        guidance_scale=2.0,
        negative_prompt="",
        generator=torch.Generator().manual_seed(4),
    ).images[0]
    assert np.abs(np.asarray(image).astype(int) - picture.pixels).max() <= 1


def test_too_weak_a_strength_is_a_mistake(painter: PipelinePainter) -> None:
    with pytest.raises(UserError, match=r"0\.05 leaves none of 10 steps"):
        next(painter(SCENES[:1], SETTINGS, Sketch(under(), 0.05)))


@pytest.mark.parametrize("scheduler", [None, "ddim", "euler"])
def test_outside_the_mask_the_latents_stay(
    base: Base, painter: PipelinePainter, scheduler: str | None
) -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[13:14, 4:8] = 255  # one latent, at row 3 and column 1, by one of its four rows
    settings = SETTINGS.model_copy(update={"scheduler": scheduler})
    drawn = next(painter(SCENES[:1], settings, Sketch(under(), 1.0, mask)))
    free = next(painter(SCENES[:1], settings, Sketch(under(), 1.0)))
    kept = autoencoded(base)
    # A latent reaches beyond its own four pixels, but little; far from it the sketch is decoded.
    changed, all_changed = (np.abs(one.pixels - kept)[:, 24:].mean() for one in (drawn, free))
    assert changed < 0.25 * all_changed
    assert np.abs(drawn.pixels - kept)[12:16, 4:8].mean() > 2 * changed
    assert "mask_sha256" in drawn.record


def test_what_is_put_back_has_the_pipelines_own_noise(base: Base) -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[0, 0] = 255
    rest = find_rest(base, under(), mask, [4, 5])
    assert rest.drawn[:, 0].sum() == 1
    assert rest.known.shape == (1, 4, 8, 8)
    pipe = base.redrawing_pipe(None)
    pipe.scheduler.set_timesteps(10)
    pipe.scheduler.set_begin_index(0)
    generators = [torch.Generator().manual_seed(seed) for seed in (4, 5)]
    # At the last but nothing of the schedule only the noise is left of the latents.
    noisy = pipe.prepare_latents(
        _tensor(under()), pipe.scheduler.timesteps[:1].repeat(2), 2, 1, torch.float32, "cpu", generators
    )
    assert torch.allclose(noisy, rest.noise, atol=5e-3)


def autoencoded(base: Base) -> np.ndarray:
    """What the base's autoencoder makes of the sketch, (32, 32, 3)."""
    with torch.no_grad():
        again = base.pipe.vae.decode(base.encode_image(_tensor(under())).mean / 4.0).sample
    pixels: np.ndarray = ((again[0].permute(1, 2, 0) + 1) * 127.5).clamp(0, 255).round().numpy()
    return pixels


def _tensor(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


@pytest.mark.parametrize("family", ["flux", "sdxl"])
def test_a_picture_is_the_same_beside_one_with_a_negative_prompt(family: Family, tmp_path: Path) -> None:
    base = open_base(make_toy(family, tmp_path), Plan(device="cpu", precision="fp32", threads=1))
    painter = PipelinePainter(base, lambda prompt: prompt, {})
    scenes = [SCENES[0], replace(SCENES[1], negative="a hat")]
    settings = DrawSettings(steps=3, guidance=4.0, batch=2)
    together = list(painter(scenes, settings))
    for scene, picture in zip(scenes, together, strict=True):
        (alone,) = painter([scene], settings)
        assert np.abs(alone.pixels.astype(int) - picture.pixels).max() <= 1
