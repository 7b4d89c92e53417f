"""FLUX.2 klein: its latents, its words and its learning are those of diffusers' own pipeline and script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline
from diffusers.training_utils import compute_density_for_timestep_sampling, compute_loss_weighting_for_sd3
from torch import Tensor

from tests.bases.toy_flux2 import make_toy_flux2
from understudy.bases.base import Base
from understudy.bases.objectives import Flow
from understudy.bases.opening import open_base
from understudy.domain import Scene, Sketch, UserError
from understudy.methods.adapters import add_adapter
from understudy.methods.painting import PipelinePainter
from understudy.methods.questions import Question, weigh
from understudy.methods.refusing import check_family
from understudy.recipes import DrawSettings, DreamBoothLora, Target
from understudy.runs import Plan

PLAN = Plan(device="cpu", precision="fp32", threads=1)
FEW = DrawSettings(steps=4, guidance=3.0)
PROMPTS = ["a picture of Pip waving", "Pip"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_flux2(tmp_path_factory.mktemp("bases") / "toy")


@pytest.fixture
def base(folder: Path) -> Base:
    return open_base(folder, PLAN)


def draw(base: Base, scene: Scene, sketch: Sketch | None = None, settings: DrawSettings = FEW) -> Any:
    painter = PipelinePainter(base, lambda prompt: prompt, {})
    return next(painter([scene], settings, sketch)).pixels


# ---------------------------------------------------------------- latents


def test_latents_are_the_pipelines_own(base: Base) -> None:
    picture = torch.rand(2, 3, 32, 32) * 2 - 1
    expected = base.pipe._encode_vae_image(picture, None)
    found = base.encode_image(picture)
    assert found.mean.shape == (2, 16, 8, 8)
    assert torch.allclose(found.mean, expected, atol=1e-5)
    assert torch.equal(base.as_drawn(found.mean), Flux2KleinPipeline._pack_latents(found.mean))


def test_it_learns_from_the_means_as_the_script_does(base: Base) -> None:
    picture = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        patches = Flux2KleinPipeline._patchify_latents(base.pipe.vae.encode(picture).latent_dist.mode())
    norm = base.pipe.vae.bn
    mean, variance = (one.reshape(1, -1, 1, 1) for one in (norm.running_mean, norm.running_var))
    expected = (patches - mean) / (variance + base.pipe.vae.config.batch_norm_eps).sqrt()
    found = base.encode_image(picture)
    assert torch.allclose(found.mean, expected, atol=1e-4)
    assert not found.std.any()


# ---------------------------------------------------------------- a step of diffusers' script


def step_as_the_script_does(
    base: Base, picture: Tensor, noise: Tensor, time: Tensor, hidden: Tensor
) -> Tensor:
    """The loss of train_dreambooth_lora_flux2_klein.py for one example at the scheduler's time `time`."""
    pipe, vae = base.pipe, base.pipe.vae
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(pipe.scheduler.config)
    patches = Flux2KleinPipeline._patchify_latents(vae.encode(picture).latent_dist.mode())
    deviation = torch.sqrt(vae.bn.running_var.view(1, -1, 1, 1) + vae.config.batch_norm_eps)
    clean = (patches - vae.bn.running_mean.view(1, -1, 1, 1)) / deviation
    sigma = scheduler.sigmas[(scheduler.timesteps == time).nonzero().item()]
    packed = Flux2KleinPipeline._pack_latents((1 - sigma) * clean + sigma * noise)
    places = Flux2KleinPipeline._prepare_latent_ids(clean)
    answer = pipe.transformer(
        hidden_states=packed,
        timestep=time[None] / 1000,
        encoder_hidden_states=hidden,
        txt_ids=Flux2KleinPipeline._prepare_text_ids(hidden),
        img_ids=places,
        return_dict=False,
    )[0]
    answer = Flux2KleinPipeline._unpack_latents_with_ids(answer, places)
    weight = compute_loss_weighting_for_sd3("none", sigma)
    loss: Tensor = (weight * (answer - (noise - clean)).square()).mean()
    return loss


@torch.no_grad()
def test_a_step_is_that_of_diffusers_own_script(base: Base) -> None:
    torch.manual_seed(7)
    picture, noise = torch.rand(1, 3, 32, 32) * 2 - 1, torch.randn(1, 16, 8, 8)
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(base.pipe.scheduler.config)
    time = scheduler.timesteps[(compute_density_for_timestep_sampling("none", 1) * 1000).long()][0]
    words = base.encode_prompt(PROMPTS[:1])
    expected = step_as_the_script_does(base, picture, noise, time, words["hidden"])

    seen = base.objective.corrupt(base.encode_image(picture).mean, noise, time[None])
    weight = seen.weight.reshape(-1, 1, 1, 1).expand(1, 1, 8, 8)
    question = Question(seen.noisy, time[None], words, seen.target, weight)
    found = weigh(base.predict(seen.noisy, time[None], words), question)
    assert torch.allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("is_dynamic", [True, False])
def test_times_are_sampled_as_the_script_does(is_dynamic: bool, base: Base) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=is_dynamic)
    torch.manual_seed(1)
    theirs = scheduler.timesteps[(compute_density_for_timestep_sampling("none", 20_000) * 1000).long()]
    objective = type(base).find_objective(scheduler, 0.0)
    ours = objective.sample_times(20_000, torch.Generator().manual_seed(1))
    assert isinstance(objective, Flow)
    shares = torch.linspace(0.05, 0.95, 7)
    # Theirs are whole steps, each at its upper end; a wrong shift would be hundreds away.
    assert (theirs.quantile(shares) - ours.quantile(shares)).abs().max() < 15


def test_min_snr_is_of_other_bases(folder: Path) -> None:
    with pytest.raises(UserError, match="min_snr"):
        open_base(folder, PLAN, min_snr=5.0)


# ---------------------------------------------------------------- which layers learn


TWO_STREAMS = ("to_q", "to_k", "to_v", "to_out.0")
ONE_STREAM = ("to_qkv_mlp_proj", "to_out")


def adapted(base: Base, *targets: Target) -> set[str]:
    recipe = DreamBoothLora(rank=2, targets=targets)
    return {name.partition(".lora_")[0] for name in add_adapter(base, recipe)}


def test_attention_is_what_diffusers_own_script_adapts(base: Base) -> None:
    assert adapted(base, "attention") == {
        *(f"transformer_blocks.0.attn.{end}" for end in TWO_STREAMS),
        *(f"single_transformer_blocks.{number}.attn.{end}" for number in (0, 1) for end in ONE_STREAM),
    }


def test_layers_that_it_lacks_are_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="take as targets any of attention"):
        check_family(DreamBoothLora(base=str(folder), targets=("convolutions", "time")))


# ---------------------------------------------------------------- words


def test_a_prompt_is_cut_where_the_reader_stops(base: Base) -> None:
    assert base.readable_part("a picture of Pip") == "a picture of Pip"
    long = "a picture of Pip " + "very " * 120
    part = base.readable_part(long)
    assert long.startswith(part)
    assert 450 < len(part) < 512
    words = base.encode_prompt([long, part + " never read"])["hidden"]
    assert torch.allclose(words[0, : len(part)], words[1, : len(part)], atol=1e-5)


def test_a_base_is_led_away_from_negative_words(base: Base) -> None:
    plain, led = (draw(base, Scene("Pip", 1, negative)) for negative in ("", "hands"))
    assert not np.array_equal(plain, led)


def test_a_distilled_one_is_asked_once_a_step_and_only_what_it_knows(tmp_path: Path) -> None:
    base = open_base(make_toy_flux2(tmp_path, is_distilled=True), PLAN)
    calls = []
    base.denoiser.register_forward_hook(lambda *_: calls.append(1))
    drawn = [draw(base, Scene("Pip", 1), None, FEW.model_copy(update={"guidance": g})) for g in (1.0, 9.0)]
    assert np.array_equal(*drawn)
    assert len(calls) == 2 * FEW.steps
    with pytest.raises(UserError, match="negative"):
        draw(base, Scene("Pip", 1, "hands"))


# ---------------------------------------------------------------- from a sketch


def shade(value: int, strength: float, width: int = 48) -> Sketch:
    return Sketch(np.full((32, width, 3), value, np.uint8), strength)


def test_a_sketch_left_wholly_is_only_noise(base: Base) -> None:
    wide = FEW.model_copy(update={"width": 48, "height": 32})
    light, dark = (draw(base, Scene("Pip", 1), shade(value, 1.0), wide) for value in (250, 5))
    assert light.shape == (32, 48, 3)
    assert np.array_equal(light, dark)
    light, dark = (draw(base, Scene("Pip", 1), shade(value, 0.5), wide) for value in (250, 5))
    assert not np.array_equal(light, dark)


def test_from_a_sketch_the_last_steps_are_taken(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[list[float]] = []
    own = Flux2KleinPipeline.__call__

    def call(pipe: Flux2KleinPipeline, **asked: Any) -> Any:
        answer = own(pipe, **asked)
        times.append(pipe.scheduler.timesteps.tolist())
        return answer

    monkeypatch.setattr(Flux2KleinPipeline, "__call__", call)
    draw(base, Scene("Pip", 1))
    draw(base, Scene("Pip", 1), Sketch(np.full((32, 32, 3), 200, np.uint8), 0.5))
    assert len(times[0]) == FEW.steps
    assert times[1] == pytest.approx(times[0][2:])
    grey = np.full((32, 32, 3), 200, np.uint8)
    begun = base.beginning(base.redrawing_pipe(None), grey, 0.5, FEW.steps, [1])
    share = times[1][0] / 1000
    clean = base.encode_image(torch.full((1, 3, 32, 32), 200 / 127.5 - 1)).mean
    latents = begun["latents"]
    assert isinstance(latents, Tensor)
    assert ((latents - (1 - share) * clean) / share).std().item() == pytest.approx(1, abs=0.1)


def test_another_scheduler_begins_from_a_sketch_too(base: Base) -> None:
    settings = FEW.model_copy(update={"scheduler": "unipc"})
    light, dark = (draw(base, Scene("Pip", 1), shade(value, 0.5, 32), settings) for value in (250, 5))
    assert not np.array_equal(light, dark)
