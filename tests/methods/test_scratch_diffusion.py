"""Diffusion from nothing: it learns the palette, and reads captions where it learned them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.toy_character import make_character, make_recipe_from_nothing
from understudy.domain import Character, Drawing, Scene, UserError
from understudy.events import Event, Note, Step
from understudy.methods import learn, open_painter
from understudy.methods.denoising import NextLevel, make_velocity_levels
from understudy.methods.drawn_pixels import make_pixels
from understudy.methods.examples import keyed
from understudy.recipes import DrawSettings, ScratchDiffusion
from understudy.runs import Run

TOY = {"size_px": 32, "channels": 8, "batch": 6, "snapshot_every": 60, "samples_every": 60, "steps": 60}
SETTINGS = DrawSettings(steps=8)


@pytest.fixture(scope="module", params=["thesis", "modern"])
def recipe(request: pytest.FixtureRequest) -> ScratchDiffusion:
    return ScratchDiffusion.from_preset(request.param, {**TOY, "learning_rate": 3e-3, "averaging": 0.9})


@pytest.fixture(scope="module")
def run(recipe: ScratchDiffusion, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learn(make_character(6), recipe, tmp_path_factory.mktemp("run"))


def mean_colour(run: Run) -> np.ndarray:
    with open_painter(run) as painter:
        pictures = [
            picture.pixels for picture in painter([Scene("Pip", seed) for seed in range(4)], SETTINGS)
        ]
    colour: np.ndarray = np.mean(pictures, axis=(0, 1, 2))
    return colour


def test_the_loss_falls(run: Run) -> None:
    losses = [float(str(entry["loss"])) for entry in run.read_log() if "loss" in entry]
    assert len(losses) == 6
    assert losses[-1] < 0.6 * losses[0]


def test_six_drawings_give_their_palette(run: Run, recipe: ScratchDiffusion, tmp_path: Path) -> None:
    begun = learn(make_character(6), recipe.model_copy(update={"steps": 1}), tmp_path)
    drawn = make_pixels(make_character(6), recipe, "cpu", lambda event: None).pixels
    wanted = ((drawn.mean(dim=(0, 2, 3)) + 1) * 127.5).numpy()
    before, after = (np.abs(mean_colour(one) - wanted).mean() for one in (begun, run))
    assert after < 0.5 * before


def test_samples_lie_in_the_run(run: Run) -> None:
    assert [path.name for path in (run.folder / "samples").glob("*.png")] == ["000060.png"]


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = make_recipe_from_nothing("scratch-diffusion").model_copy(update={"captions": True})
    return learn(make_character(3), recipe, tmp_path_factory.mktemp("captioned"))


def test_captions_are_read_as_far_as_their_words_go(captioned: Run) -> None:
    events: list[Event] = []
    scenes = [Scene("a picture of Pip standing", 1), Scene("a picture of Pip flying, view 2", 1)]
    with open_painter(captioned, notify=events.append) as painter:
        assert painter.follows_text
        first, second = painter(scenes, DrawSettings(steps=2, guidance=3.0))
        (plain,) = painter(scenes[:1], DrawSettings(steps=2, guidance=1.0))
        (avoiding,) = painter(scenes[:1], DrawSettings(steps=2, guidance=3.0, negative="view 1"))
    assert (first.record["prompt_as_read"], second.record["prompt_as_read"]) == ("standing", "view 2")
    assert not np.array_equal(first.pixels, second.pixels)
    assert not np.array_equal(first.pixels, plain.pixels)
    assert not np.array_equal(first.pixels, avoiding.pixels)
    notes = [event.text for event in events if isinstance(event, Note)]
    assert len(notes) == 1
    assert notes[0].endswith(": flying.")
    assert Step("denoising", 2, 2) in events


def test_captions_must_be_there(tmp_path: Path) -> None:
    silent = tuple(Drawing(one.path, one.pixels, "") for one in make_character(2).drawings)
    recipe = make_recipe_from_nothing("scratch-diffusion").model_copy(update={"captions": True})
    with pytest.raises(UserError, match="captions"):
        learn(Character("Pip", "girl", silent), recipe, tmp_path)


def test_a_perfect_denoiser_draws_the_picture_level_by_level() -> None:
    clean, noise = torch.rand(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    levels = NextLevel(5)
    seen: list[float] = []

    def denoise(noisy: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        corrupted = levels.corrupt(clean, noise, times)
        assert torch.allclose(noisy, corrupted.noisy, atol=1e-5)
        seen.append(times[0].item())
        return corrupted.target

    drawn = levels.draw(denoise, noise, levels.count_steps(25), lambda done: None)
    assert torch.allclose(drawn, clean, atol=1e-5)
    assert seen == pytest.approx([1000, 800, 600, 400, 200])


@pytest.mark.parametrize("size_px", [32, 256])
def test_a_perfect_denoiser_draws_the_picture_by_velocity(size_px: int) -> None:
    clean, noise = torch.rand(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    levels = make_velocity_levels(size_px, 1000)

    def denoise(noisy: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        return levels.corrupt(clean, noise, times.long()).target

    drawn = levels.draw(denoise, noise, levels.count_steps(25), lambda done: None)
    assert torch.allclose(drawn, clean, atol=0.02)


def test_levels_end_in_noise_alone_and_larger_pictures_get_more() -> None:
    small, large = (make_velocity_levels(size, 1000).velocity.alphas_cumprod for size in (32, 256))
    assert small[-1] == large[-1] == 0
    assert (large[:-1] < small[:-1]).all()
    middle = large[500] / (1 - large[500])
    assert middle.item() == pytest.approx((small[500] / (1 - small[500])).item() / 64, rel=0.05)


def test_each_level_is_trained() -> None:
    times = torch.cat([NextLevel(5).sample_times(6, keyed(step)) for step in range(20)])
    assert sorted(set(times.tolist())) == [200, 400, 600, 800, 1000]
