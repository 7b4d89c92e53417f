"""The recipe's numbers against diffusers' own scripts: times, noise, target, weight, and one whole step.

What is expected here is the arithmetic of examples/dreambooth/train_dreambooth_lora{,_sdxl,_sd3,_flux}.py of
diffusers 0.42, said again with its own schedulers. Not its defaults are the guidance that FLUX.1 is told when
it learns, 1 as in the commands beside the script and not its own 3.5 (a step is compared at either), and what
a test says; prompts are read as the pipelines read them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler, FluxPipeline
from diffusers.training_utils import (
    compute_density_for_timestep_sampling,
    compute_loss_weighting_for_sd3,
)
from torch import Tensor, nn
from torch.nn import functional as F

from tests.bases.test_families import PLAN, make_recipe
from tests.bases.toys import make_toy
from tests.toy_character import make_character
from understudy.bases import flux
from understudy.bases.base import Base
from understudy.bases.conditioning import Conditioning
from understudy.bases.layouts import Family
from understudy.bases.objectives import Corrupted, Flow, Objective
from understudy.bases.opening import open_base
from understudy.events import ignore
from understudy.methods.adapters import add_adapter
from understudy.methods.conditioning import read_once
from understudy.methods.examples import keyed, make_examples
from understudy.methods.finetune import Part, ask, begin_tuning
from understudy.methods.questions import weigh

OF_FLOWS: dict[Family, str] = {"sd3": "logit_normal", "flux": "none", "kontext": "none"}
"""Their scripts' weighting schemes."""
FAMILIES: tuple[Family, ...] = ("sd1", "sdxl", "sd3", "flux", "kontext")
"""Kontext's script shows it a second picture only where the data has one."""
ON_MEANS: tuple[Family, ...] = ("kontext",)
"""Their scripts take the middle of what the encoder says, unless told to draw from it."""
AS_THE_SCRIPTS: dict[str, object] = {
    "batch": 4,
    "warmup_steps": 0,
    "learning_rate": 1e-2,
    "adam_beta2": 0.999,
    "weight_decay": 1e-4,
    "background_weight": 1.0,
    "targets": ("attention",),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    family: Family = request.param
    return family


@pytest.fixture(scope="module")
def folder(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy(family, tmp_path_factory.mktemp("bases") / family)


@pytest.fixture
def base(folder: Path) -> Base:
    return open_base(folder, PLAN)


def open_scheduler(family: Family, folder: Path) -> Any:
    kind = FlowMatchEulerDiscreteScheduler if family in OF_FLOWS else DDPMScheduler
    return kind.from_pretrained(folder, subfolder="scheduler")


def script_times(family: Family, scheduler: Any, count: int) -> Tensor:
    """The times that a script draws."""
    generator = torch.Generator().manual_seed(0)
    num_times = scheduler.config.num_train_timesteps
    if family not in OF_FLOWS:
        return torch.randint(0, num_times, (count,), generator=generator)
    drawn = compute_density_for_timestep_sampling(
        OF_FLOWS[family], count, logit_mean=0.0, logit_std=1.0, mode_scale=1.29, generator=generator
    )
    times: Tensor = scheduler.timesteps[(drawn * num_times).long()]
    return times


def script_sigmas(scheduler: Any, times: Tensor) -> Tensor:
    """The share of noise at times of the scheduler's table: (B, 1, 1, 1)."""
    rows = [int((scheduler.timesteps == time).nonzero()) for time in times]
    sigmas: Tensor = scheduler.sigmas[rows].reshape(-1, 1, 1, 1)
    return sigmas


@dataclass(frozen=True)
class OnTheTable:
    """An objective whose times are those of the scheduler's table that lie nearest."""

    own: Objective
    table: Tensor

    @property
    def num_times(self) -> int:
        return self.own.num_times

    def sample_times(self, count: int, generator: torch.Generator) -> Tensor:
        sampled = self.own.sample_times(count, generator)
        return self.table[(self.table - sampled[:, None]).abs().argmin(dim=1)]

    def corrupt(self, clean: Tensor, noise: Tensor, times_B: Tensor) -> Corrupted:
        return self.own.corrupt(clean, noise, times_B)


def test_times_are_spread_as_the_scripts(base: Base, family: Family, folder: Path) -> None:
    """By the share of the script's times below each hundredth of ours."""
    expected = script_times(family, open_scheduler(family, folder), 200_000).float()
    found = base.objective.sample_times(10_000, torch.Generator().manual_seed(1)).float()
    parts = torch.linspace(0.01, 0.99, 99)
    below = (expected[:, None] <= torch.quantile(found, parts)).float().mean(dim=0)
    assert (below - parts).abs().max() < 0.005


def test_a_flows_shift_is_that_of_its_scheduler(tmp_path: Path) -> None:
    for family in OF_FLOWS:
        folder = make_toy(family, tmp_path / family)
        objective, scheduler = open_base(folder, PLAN).objective, open_scheduler(family, folder)
        assert isinstance(objective, Flow)
        even = replace(objective, spread="even")
        found = even.sample_times(1000, torch.Generator().manual_seed(0)).sort().values
        table = scheduler.timesteps.flip(0)
        assert (found <= table + 1e-3).all()
        assert (found[1:] >= table[:-1] - 1e-3).all()
        # FLUX's own moves with the size, so that its script learns at all noise alike.
        assert objective.shift == (3.0 if family == "sd3" else 1.0)


def script_answer(
    family: Family, base: Base, noisy: Tensor, times: Tensor, prompts: Conditioning, guidance: float
) -> Tensor:
    """What the script's call of the denoiser gives; FLUX.1 alone is told a guidance."""
    pipe, side = base.pipe, float(base.size_px)
    answer: Tensor
    if family == "sd1":
        answer = pipe.unet(noisy, times, prompts["hidden"], return_dict=False)[0]
        return answer
    if family == "sdxl":
        time_ids = torch.tensor([[side, side, 0, 0, side, side]]).repeat(len(noisy), 1)
        told = {"time_ids": time_ids, "text_embeds": prompts["pooled"]}
        answer = pipe.unet(noisy, times, prompts["hidden"], added_cond_kwargs=told, return_dict=False)[0]
        return answer
    told = {"encoder_hidden_states": prompts["hidden"], "pooled_projections": prompts["pooled"]}
    if family == "sd3":
        answer = pipe.transformer(hidden_states=noisy, timestep=times, **told, return_dict=False)[0]
        return answer
    count, channels, height, width = noisy.shape
    answer = pipe.transformer(
        hidden_states=FluxPipeline._pack_latents(noisy, count, channels, height, width),
        timestep=times / 1000,
        guidance=torch.tensor([guidance]).expand(count),
        txt_ids=torch.zeros(prompts["hidden"].shape[1], 3),
        img_ids=FluxPipeline._prepare_latent_image_ids(count, height // 2, width // 2, "cpu", noisy.dtype),
        **told,
        return_dict=False,
    )[0]
    scale = pipe.vae_scale_factor
    unpacked: Tensor = FluxPipeline._unpack_latents(answer, height * scale, width * scale, scale)
    return unpacked


def script_loss(
    family: Family,
    base: Base,
    scheduler: Any,
    clean: Tensor,
    noise: Tensor,
    times: Tensor,
    prompts: Conditioning,
    guidance: float,
) -> Tensor:
    """A script's loss; Stable Diffusion 3's without preconditioned outputs."""
    if family in OF_FLOWS:
        sigmas = script_sigmas(scheduler, times)
        noisy = (1.0 - sigmas) * clean + sigmas * noise
        answer = script_answer(family, base, noisy, times, prompts, guidance)
        weighting = compute_loss_weighting_for_sd3(OF_FLOWS[family], sigmas)
        return torch.mean((weighting * (answer - (noise - clean)) ** 2).reshape(len(clean), -1), 1).mean()
    noisy = scheduler.add_noise(clean, noise, times)
    answer = script_answer(family, base, noisy, times, prompts, guidance)
    is_eps = scheduler.config.prediction_type == "epsilon"
    return F.mse_loss(answer, noise if is_eps else scheduler.get_velocity(clean, noise, times))


def test_one_seeded_step_is_the_scripts(base: Base, family: Family, folder: Path) -> None:
    assert flux.LEARNED_GUIDANCE == 1.0
    compare_one_step(base, family, folder, 1.0)


def test_one_seeded_step_is_the_scripts_at_its_own_guidance_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FLUX.1's script tells it 3.5 unless it is told otherwise, which is another loss."""
    folder = make_toy("flux", tmp_path)
    learned = compare_one_step(open_base(folder, PLAN), "flux", folder, 1.0)
    monkeypatch.setattr(flux, "LEARNED_GUIDANCE", 3.5)
    assert abs(compare_one_step(open_base(folder, PLAN), "flux", folder, 3.5) - learned) > 1e-3 * learned


def compare_one_step(base: Base, family: Family, folder: Path, guidance: float) -> float:
    """The loss, which is returned, its gradients, and the adapter's weights after Adam."""
    recipe = make_recipe(folder, **AS_THE_SCRIPTS)
    scheduler = open_scheduler(family, folder)
    if family in OF_FLOWS:
        base = replace(base, objective=OnTheTable(base.objective, scheduler.timesteps))
    examples = make_examples(base, make_character(6), recipe, [], ignore)
    weights = add_adapter(base, recipe)
    for number, weight in enumerate(weights.values()):  # so that both factors have gradients
        weight.data.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)))
    tuning = begin_tuning(
        base, [Part(weights, 1e-2)], examples, read_once(examples), recipe, lambda tensors, folder: None
    )
    rows = tuning.decks.deal(0)

    random = keyed(recipe.seed, "step", 0)
    shape = (4, *examples.mean.shape[1:])
    sampling, noise = (torch.randn(shape, generator=random) for _ in range(2))
    times = base.objective.sample_times(4, random)
    clean = examples.mean[rows] + examples.std[rows] * sampling
    prompts = examples.prompts.take(examples.prompt[rows])
    expected = script_loss(family, base, scheduler, clean, noise, times, prompts, guidance)
    names, parameters = list(weights), list(weights.values())
    gradients = torch.autograd.grad(expected, parameters)

    asked = tuning.ask(0)
    loss = weigh(base.predict(asked.noisy, asked.times, asked.prompts), asked)
    assert torch.allclose(loss, expected, rtol=1e-5)
    for name, gradient, ours in zip(names, gradients, torch.autograd.grad(loss, parameters), strict=True):
        assert torch.allclose(ours, gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max())), name

    copies = [nn.Parameter(parameter.detach().clone()) for parameter in parameters]
    for copy, gradient in zip(copies, gradients, strict=True):
        copy.grad = gradient.clone()
    optimizer = torch.optim.AdamW(copies, lr=1e-2, betas=(0.9, 0.999), weight_decay=1e-4, eps=1e-8)
    nn.utils.clip_grad_norm_(copies, 1.0)
    optimizer.step()
    assert torch.allclose(tuning.step(0)["loss"], expected, rtol=1e-5)
    for name, copy in zip(names, copies, strict=True):
        assert torch.allclose(weights[name], copy, atol=1e-4), name
    return expected.item()


def test_latents_are_scaled_as_the_scripts_do(base: Base, family: Family) -> None:
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    vae = base.pipe.vae
    with torch.no_grad():
        found = vae.encode(pixels).latent_dist
    drawn = torch.randn(found.mean.shape, generator=torch.Generator().manual_seed(1))
    shift = vae.config.shift_factor if family in OF_FLOWS else 0.0
    latent = found.mode() if family in ON_MEANS else found.mean + found.std * drawn
    expected = (latent - shift) * vae.config.scaling_factor
    latents = base.encode_image(pixels)
    assert torch.allclose(latents.mean + latents.std * drawn, expected, atol=1e-5)


def test_what_a_step_asks_is_keyed_by_its_number(base: Base, folder: Path) -> None:
    recipe = make_recipe(folder, **AS_THE_SCRIPTS)
    examples = make_examples(base, make_character(3), recipe, [], ignore)
    first, again, next_ = (
        ask(base, examples, read_once(examples), [0, 1, 2, 0], recipe, step) for step in (5, 5, 6)
    )
    assert torch.equal(first.times, again.times)
    assert torch.equal(first.noisy, again.noisy)
    assert not torch.equal(first.times, next_.times)
