"""What Stable Diffusion 3.5 and FLUX.1 have of their own, beside what all families promise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.bases.test_families import PLAN, PROMPTS, first_step, noisy_latents
from tests.bases.toy_flux import make_toy_flux
from tests.bases.toy_sd3 import make_toy_sd3
from tests.bases.toys import make_toy
from understudy.bases.base import Base
from understudy.bases.catalog import INDEX_FILE, find_base, find_side_px, hash_base
from understudy.bases.flows import FlowBase
from understudy.bases.layouts import Family
from understudy.bases.objectives import Flow
from understudy.bases.opening import open_base
from understudy.domain import Pixels, Scene, Sketch, UserError
from understudy.methods.masking import Rest
from understudy.methods.painting import PipelinePainter
from understudy.recipes import DrawSettings, Scheduler

SCENES = [Scene("Pip waving", 4), Scene("Pip", 5)]
TEN = DrawSettings(steps=10, guidance=1.0)


@pytest.fixture(scope="module", params=["sd3", "flux"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    family: Family = request.param
    return make_toy(family, tmp_path_factory.mktemp("bases") / family)


@pytest.fixture(scope="module")
def base(folder: Path) -> Base:
    return open_base(find_base(str(folder)), PLAN)


@pytest.fixture(scope="module")
def schnell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_flux(tmp_path_factory.mktemp("bases") / "schnell", told_guidance=False)


def paint(base: Base, settings: DrawSettings, sketch: Sketch | None = None) -> list[Pixels]:
    painter = PipelinePainter(base, lambda prompt: prompt, {})
    return [picture.pixels for picture in painter(SCENES, settings, sketch)]


@torch.no_grad()
def test_schnell_is_told_no_guidance(schnell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = open_base(find_base(str(schnell)), PLAN)
    noisy = noisy_latents(base, 2)
    expected, time = first_step(base, noisy, PROMPTS, monkeypatch)
    found = base.predict(noisy, time.expand(2).float(), base.encode_prompt(PROMPTS))
    assert torch.allclose(base.as_drawn(found), expected, atol=1e-4)
    loose, strict = (paint(base, TEN.model_copy(update={"guidance": scale})) for scale in (1.0, 5.0))
    assert np.array_equal(loose, strict)


def test_flux_draws_away_from_negative_prompts_by_classifier_free_guidance(schnell: Path) -> None:
    base = open_base(find_base(str(schnell)), PLAN)
    settings = TEN.model_copy(update={"guidance": 4.0})
    plain, away = paint(base, settings), paint(base, settings.model_copy(update={"negative": "hat"}))
    assert not np.array_equal(plain, away)


@torch.no_grad()
@pytest.mark.parametrize("deleted", [True, False])
def test_sd3_reads_without_t5(deleted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether its index has none, or its folders were deleted to save the room."""
    folder = make_toy_sd3(tmp_path, with_t5=deleted)
    whole = hash_base(folder)
    if deleted:
        assert json.loads((folder / INDEX_FILE).read_text())["text_encoder_3"][1] == "T5EncoderModel"
        shutil.rmtree(folder / "text_encoder_3")
        shutil.rmtree(folder / "tokenizer_3")
        assert hash_base(folder) != whole
    base = open_base(find_base(str(folder)), PLAN)
    assert base.pipe.text_encoder_3 is None
    noisy = noisy_latents(base, 2)
    expected, time = first_step(base, noisy, PROMPTS, monkeypatch)
    found = base.predict(noisy, time.expand(2), base.encode_prompt(PROMPTS))
    assert torch.allclose(found, expected, atol=1e-4)
    assert base.readable_part("Pip") == "Pip"
    assert base.readable_part("x" * 100) != "x" * 100


def test_nothing_is_trained_unasked(base: Base) -> None:
    parts = [part for part in base.pipe.components.values() if isinstance(part, torch.nn.Module)]
    assert len(parts) == (5 if isinstance(base.pipe.components.get("text_encoder_3"), torch.nn.Module) else 4)
    assert not any(weight.requires_grad for part in parts for weight in part.parameters())


def test_t5_reads_what_is_said(base: Base) -> None:
    said = base.encode_prompt(["Pip waves", "Pip sits", ""])
    hidden = said["hidden"][:, -200:]  # T5's alone: of CLIP there are 40
    assert not torch.allclose(hidden[0], hidden[1], atol=1e-3)
    assert len(said) == 3


def test_a_prompt_is_cut_where_t5_stops_reading(base: Base) -> None:
    assert base.readable_part("a picture of Pip") == "a picture of Pip"
    longer = "Pip " * 200
    part = base.readable_part(longer)
    assert 0 < len(part) < len(longer)
    assert longer.startswith(part)


def test_its_size_is_known_without_opening_it(base: Base, folder: Path) -> None:
    assert find_side_px(folder) == base.size_px == 32


@pytest.mark.parametrize("size", [(48, 32), (32, 32)])
def test_a_sketch_of_any_size_is_drawn_over(base: Base, size: tuple[int, int]) -> None:
    width, height = size
    settings = TEN.model_copy(update={"width": width, "height": height})
    grey = np.full((height, width, 3), 128, np.uint8)
    pictures = [paint(base, settings, Sketch(grey, strength))[0] for strength in (0.1, 1.0)]
    assert pictures[0].shape == (height, width, 3)
    assert not np.array_equal(pictures[0], pictures[1])


def test_what_lies_outside_a_mask_stays(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """As noisy as the rest of the picture is after each step, and at the end as it was."""
    own, done = Rest.put_back, []

    def put_back(rest: Rest, pipe: Any, step: int, latents: Tensor) -> Tensor:
        found = own(rest, pipe, step, latents)
        stays = rest.drawn.expand_as(found) == 0
        sigma = pipe.scheduler.sigmas[pipe.scheduler.step_index]
        expected = (1 - sigma) * rest.known + sigma * rest.noise
        assert torch.allclose(found[stays], expected[stays], atol=1e-6)
        assert torch.equal(found[~stays], latents[~stays])
        done.append((float(sigma), stays.float().mean().item()))
        return found

    monkeypatch.setattr(Rest, "put_back", put_back)
    mask = np.zeros((32, 32), np.uint8)
    mask[:, 16:] = 255
    paint(base, TEN, Sketch(np.full((32, 32, 3), 128, np.uint8), 0.8, mask))
    assert len(done) == 8
    assert done[-1] == (0.0, 0.5)
    assert done[0][0] > 0.5


@pytest.mark.parametrize("name", ["euler", "unipc"])
def test_schedulers_that_know_flows_draw_one_picture(base: Base, name: Scheduler) -> None:
    settings = TEN.model_copy(update={"steps": 40})
    truth = np.stack(paint(base, settings)).astype(float)
    found = np.stack(paint(base, settings.model_copy(update={"scheduler": name})))
    assert np.abs(found - truth).mean() < 0.1 * np.abs(truth[0] - truth[1]).mean()


def test_schedulers_that_know_no_flow_are_refused(base: Base) -> None:
    with pytest.raises(UserError, match="ddim cannot draw with this base: take euler or unipc"):
        paint(base, TEN.model_copy(update={"scheduler": "ddim"}))
    with pytest.raises(UserError, match="take euler"):
        paint(
            base, TEN.model_copy(update={"scheduler": "unipc"}), Sketch(np.zeros((32, 32, 3), np.uint8), 0.5)
        )


def test_noise_is_heard_as_the_share_that_it_is(base: Base) -> None:
    heard: list[Tensor] = []

    def hear(denoiser: object, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        heard.append(base.noise_heard(named["timestep"]))

    hook = base.denoiser.register_forward_pre_hook(hear, with_kwargs=True)
    with torch.no_grad():
        base.predict(noisy_latents(base, 2), torch.tensor([250.0, 1000.0]), base.encode_prompt(PROMPTS))
    hook.remove()
    assert torch.allclose(heard[0], torch.tensor([0.25, 1.0]), atol=1e-6)


def test_min_snr_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="leave it at 0"):
        open_base(folder, PLAN, min_snr=5.0)


def test_larger_pictures_are_learned_at_more_noise_where_it_is_asked_for(tmp_path: Path) -> None:
    """By the line through two sizes that FLUX's scheduler has: mu = 0.5 at 256 places and 1.15 at 4096."""
    folder = make_toy_flux(tmp_path)
    assert open_base(folder, PLAN, size_px=512).objective == Flow(1.0)
    for size_px, mu in ((128, 0.5), (512, 1.15)):  # of 8 px places: latents are 4 px
        objective = open_base(folder, PLAN, size_px=size_px, size_shift=True).objective
        assert isinstance(objective, Flow)
        assert objective.shift == pytest.approx(np.exp(mu))


def test_a_base_that_learns_all_sizes_alike_says_so(toy_base: Path, schnell: Path) -> None:
    for folder in (toy_base, schnell):
        with pytest.raises(UserError, match="leave size_shift out"):
            open_base(folder, PLAN, size_shift=True)


def test_cells_are_whole_places(base: Base) -> None:
    assert isinstance(base, FlowBase)
    assert base.cell_px == 8
