"""What every family of bases promises: it learns and draws just as its own pipeline draws."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import Flux2KleinPipeline
from safetensors.torch import load_file
from torch import Tensor

from tests.bases.learned_share import share_of_error
from tests.bases.plain_drawing import difference, draw_plainly
from tests.bases.toy_flux import read_kohya_at_toy_size
from tests.bases.toys import FAMILIES, at_toy_size, make_toy
from tests.killing import Killed
from tests.toy_character import make_character
from understudy.bases.base import Base
from understudy.bases.catalog import find_base, read_layout
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.domain import Pixels, Scene, Sketch
from understudy.events import Event, Note, Step
from understudy.exporting import Form, export
from understudy.methods import learn, open_painter, questions
from understudy.methods.kohya import DOTTED, WITHOUT_DIFFUSERS
from understudy.methods.painting import PipelinePainter
from understudy.recipes import DrawSettings, DreamBoothLora
from understudy.runs import LOG_FILE, Plan, Run

PLAN = Plan(device="cpu", precision="fp32", threads=1)
PROMPTS = ["a picture of Pip waving", "Pip"]
SIX = replace(make_character(6))
FEW = DrawSettings(steps=3, guidance=3.0)
PACK_WHAT_THEY_ARE_GIVEN = (Flux2KleinPipeline,)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Iterator[Family]:
    with at_toy_size():
        yield request.param


@pytest.fixture(scope="module")
def folder(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy(family, tmp_path_factory.mktemp("bases") / family)


@pytest.fixture(scope="module")
def base(folder: Path) -> Base:
    """Tests only ask it, and put nothing beside its weights."""
    return open_base(find_base(str(folder)), PLAN)


def make_recipe(folder: Path, **knobs: object) -> DreamBoothLora:
    few: dict[str, object] = {
        "steps": 30,
        "rank": 4,
        "alpha": 8.0,
        "learning_rate": 0.01,
        "warmup_steps": 2,
        "batch": 6,
        "views": 2,
        "snapshot_every": 10,
        "prior_weight": 0.0,
        "averaging": 0.0,
        "caption_dropout": 0.0,
        "decoder_share": 0.0,  # no part of the adapter, which alone is compared: see test_decoder.py
    }
    return DreamBoothLora.model_validate({**few, "base": str(folder), **knobs})


@pytest.fixture(scope="module")
def learned(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learn(SIX, make_recipe(folder), tmp_path_factory.mktemp("runs") / folder.name)


@pytest.fixture(scope="module")
def painter(learned: Run) -> Iterator[PipelinePainter]:
    with open_painter(learned) as painter:
        assert isinstance(painter, PipelinePainter)
        yield painter


@pytest.fixture(scope="module")
def drawn(painter: PipelinePainter, base: Base) -> tuple[Pixels, Pixels, str]:
    """What is drawn with what was learned, and by plain diffusers without; the prompt as it is read."""
    (picture,) = painter([Scene("Pip", 3)], FEW)
    prompt = painter.read("Pip")
    return picture.pixels, plainly(base.drawing_pipe(None), base, prompt, 3), prompt


def losses(run: Run) -> list[float]:
    lines = [json.loads(line) for line in (run.folder / LOG_FILE).read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def noisy_latents(base: Base, count: int) -> Tensor:
    shape = base.encode_image(torch.zeros(1, 3, base.size_px, base.size_px)).mean.shape[1:]
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(1))


def first_step(base: Base, noisy: Tensor, prompts: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the pipeline's own denoiser answers at its first step, in the pipeline's layout, and the time."""
    pipe, heard = base.drawing_pipe(None), []
    own = pipe.scheduler.step

    def step(output: Tensor, time: Tensor, *rest: Any, **named: Any) -> Any:
        heard.append((output, time))
        return own(output, time, *rest, **named)

    monkeypatch.setattr(pipe.scheduler, "step", step)
    pipe(
        **base.asking(prompts, [""] * len(prompts), 1.0),
        num_inference_steps=2,
        latents=noisy if type(pipe) in PACK_WHAT_THEY_ARE_GIVEN else base.as_drawn(noisy),
        **base.sizing(base.size_px, base.size_px),
        output_type="latent",
    )
    return heard[0]


def test_the_folder_says_the_family(folder: Path, family: Family) -> None:
    assert read_layout(folder).family == family


@torch.no_grad()
def test_predicts_as_the_pipelines_own_step(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = noisy_latents(base, 2)
    expected, time = first_step(base, noisy, PROMPTS, monkeypatch)
    times = time.expand(2).to(torch.float32)
    scaled = base.pipe.scheduler.init_noise_sigma if hasattr(base.pipe.scheduler, "init_noise_sigma") else 1
    seen = noisy if scaled == 1 else noisy * scaled / (scaled**2 + 1) ** 0.5
    found = base.as_drawn(base.predict(seen, times, base.encode_prompt(PROMPTS)))
    assert torch.allclose(found, expected.float(), atol=1e-4)
    others = base.as_drawn(base.predict(seen, times, base.encode_prompt(PROMPTS[::-1])))
    assert not torch.allclose(others, found, atol=1e-4)  # the words are heard


def test_latents_say_what_the_picture_was(base: Base) -> None:
    picture = torch.rand(1, 3, base.size_px, base.size_px) * 2 - 1
    latents = base.encode_image(picture)
    assert latents.mean.shape == latents.std.shape
    assert (latents.std >= 0).all()
    assert latents.mean.shape[-1] * base.latent_px == base.size_px


def test_learns_from_six_drawings(
    learned: Run, folder: Path, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(losses(learned)) >= 3
    assert share_of_error(learned, base, SIX) < 0.85  # 0.45 to 0.71
    still = learn(SIX, make_recipe(folder, learning_rate=1e-12, steps=2), tmp_path / "still")
    assert share_of_error(still, base, SIX) == pytest.approx(1, abs=1e-4)
    right = questions.weigh
    monkeypatch.setattr(questions, "weigh", lambda answer, question: -right(answer, question))
    astray = learn(SIX, make_recipe(folder, steps=10), tmp_path / "astray")
    assert share_of_error(astray, base, SIX) > 1.1  # 1.2 to 2.2


def test_goes_on_after_a_kill_as_if_nothing_had_been(folder: Path, tmp_path: Path) -> None:
    recipe = make_recipe(folder, steps=4, snapshot_every=2, averaging=0.9)
    whole = learn(SIX, recipe, tmp_path / "whole")

    def kill(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "learning" and event.done == 3:
            raise Killed

    with pytest.raises(Killed):
        learn(SIX, recipe, tmp_path / "killed", notify=kill)
    killed = learn(SIX, recipe, tmp_path / "killed")
    first, second = whole.newest(), killed.newest()
    assert first is not None
    assert second is not None
    assert first.sha256 == second.sha256


def test_draws_the_same_again_and_in_any_batch(painter: PipelinePainter) -> None:
    scenes = [Scene("a picture of Pip waving", seed) for seed in (1, 2)]
    both = [picture.pixels for picture in painter(scenes, FEW)]
    alone = [picture.pixels for picture in painter(scenes[1:], FEW)]
    assert np.abs(both[1].astype(int) - alone[0]).mean() <= 1
    assert not np.array_equal(both[0], both[1])


def plainly(pipe: Any, base: Base, prompt: str, seed: int) -> Pixels:
    """What plain diffusers draws."""
    return draw_plainly(pipe, base, prompt, seed, FEW.steps, FEW.guidance)


@pytest.mark.parametrize("form", ["diffusers", "kohya"])
def test_plain_diffusers_draws_the_same_with_it(
    form: Form,
    learned: Run,
    drawn: tuple[Pixels, Pixels, str],
    family: Family,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In kohya's form too, unless it is said that diffusers does not read that."""
    pixels, without, prompt = drawn
    seen: list[Event] = []
    (path,) = export(learned, form, tmp_path / "pip.safetensors", notify=seen.append)
    is_kohya = {name.startswith(("lora_unet_", DOTTED)) for name in load_file(path)}
    assert is_kohya == {form == "kohya"}
    said = [event.text for event in seen if isinstance(event, Note)]
    for_comfyui = any("for diffusers take --format diffusers" in text for text in said)
    assert for_comfyui == (form == "kohya" and family in WITHOUT_DIFFUSERS)
    if for_comfyui:  # what ComfyUI makes of it: test_kohya_sd3.py
        return
    if family in ("flux", "kontext"):
        read_kohya_at_toy_size(monkeypatch)
    base = open_base(folder, PLAN)
    pipe = base.drawing_pipe(None)
    pipe.load_lora_weights(tmp_path, weight_name=path.name)
    found = plainly(pipe, base, prompt, 3)
    assert difference(found, pixels) <= 0.5
    assert difference(without, pixels) > 1


def test_draws_from_a_sketch_where_the_family_can(painter: PipelinePainter) -> None:
    side = painter.base.size_px
    sketch = Sketch(np.full((side, side, 3), 200, np.uint8), 0.5)
    (first,) = painter([Scene("Pip", 3)], FEW, sketch)
    white = replace(sketch, pixels=np.full((side, side, 3), 255, np.uint8))
    (second,) = painter([Scene("Pip", 3)], FEW, white)
    assert not np.array_equal(first.pixels, second.pixels)


def test_another_precision_answers_nearly_the_same(folder: Path, base: Base) -> None:
    half = open_base(folder, Plan(device="cpu", precision="bf16", threads=1))
    noisy, times = noisy_latents(base, 2), torch.tensor([300, 900])
    with torch.no_grad():
        exact = base.predict(noisy, times, base.encode_prompt(PROMPTS))
        rough = half.predict(noisy, times, half.encode_prompt(PROMPTS))
    assert rough.dtype == torch.float32
    assert ((rough - exact).norm() / exact.norm()).item() < 0.1
