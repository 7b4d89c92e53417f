"""One step of learning is that of diffusers' own scripts: times, shift, weights, targets and what is heard.

Their arithmetic, in other words, with diffusers' scheduler: train_dreambooth_lora_qwen_image.py and
train_dreambooth_lora_z_image.py in its examples/dreambooth as of August 2026 (commit 58eb52c0), with the
weighting that they take unless told otherwise, "none".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.training_utils import (
    compute_density_for_timestep_sampling,
    compute_loss_weighting_for_sd3,
)
from torch import Tensor

from tests.bases.toys import at_toy_size, make_toy
from tests.toy_character import make_character
from understudy.bases.base import Base
from understudy.bases.conditioning import Conditioning
from understudy.bases.layouts import Family
from understudy.bases.objectives import Flow, make_flow
from understudy.bases.opening import find_kind, open_base
from understudy.domain import Character, UserError
from understudy.methods.conditioning import read_once
from understudy.methods.examples import Examples, keyed, make_examples
from understudy.methods.finetune import ask
from understudy.methods.questions import weigh
from understudy.recipes import DreamBoothLora
from understudy.runs import Plan

NUM_TIMES = 1000
BOTH: tuple[Family, ...] = ("qwen", "zimage")
ROWS = [0, 3, 1, 2]
SEED, STEP = 5, 7


def script_scheduler(family: Family, config: dict[str, Any]) -> FlowMatchEulerDiscreteScheduler:
    """The noise levels that the family's script trains at: for Qwen-Image with a shift of its own."""
    own = {"shift": 3.0} if family == "qwen" else {}
    return FlowMatchEulerDiscreteScheduler.from_config(config, **own)


CONFIGS: list[tuple[Family, dict[str, Any]]] = [
    # As in the real repositories: Qwen-Image, Z-Image-Turbo, Z-Image.
    ("qwen", {"use_dynamic_shifting": True, "max_image_seq_len": 8192, "max_shift": 0.9, "shift": 1.0}),
    ("zimage", {"use_dynamic_shifting": False, "shift": 3.0}),
    ("zimage", {"use_dynamic_shifting": False, "shift": 6.0}),
    # Others that a repository may have.
    ("qwen", {"use_dynamic_shifting": False, "shift": 1.0}),
    ("zimage", {"use_dynamic_shifting": True, "shift": 3.0}),
]


@pytest.mark.parametrize(("family", "config"), CONFIGS)
def test_times_are_those_of_the_script(family: Family, config: dict[str, Any]) -> None:
    scheduler = script_scheduler(family, config)
    own = FlowMatchEulerDiscreteScheduler.from_config(config)
    objective = find_kind(family).find_objective(own, 0.0)
    assert objective.num_times == scheduler.config.num_train_timesteps == NUM_TIMES
    generator = torch.Generator().manual_seed(0)
    found = objective.sample_times(200_000, generator).sort().values
    u = compute_density_for_timestep_sampling("none", 200_000, generator=generator)
    theirs = scheduler.timesteps[(u * NUM_TIMES).long()].sort().values
    # Theirs are a thousand levels, ours all between; a shift makes the steps between the levels larger.
    level = scheduler.timesteps.diff().abs().max().item()
    assert (found - theirs).abs().max().item() < 2 * level + 5
    assert abs((found - theirs).mean().item()) < level
    even = 1 if config["use_dynamic_shifting"] else 3 if family == "qwen" else config["shift"]
    middle = NUM_TIMES * even / (1 + even)  # half of all times are above it
    assert found[100_000].item() == pytest.approx(middle, abs=level)


@dataclass(frozen=True)
class Toy:
    """A base of a family and what it learns from."""

    family: Family
    base: Base
    examples: Examples
    recipe: DreamBoothLora


def _make_talkative() -> Character:
    """Two drawings with captions of different lengths."""
    pip = make_character(2)
    said = ("waving", "asleep below a very old tree")
    drawings = (replace(one, caption=text) for one, text in zip(pip.drawings, said, strict=True))
    return replace(pip, drawings=tuple(drawings))


@pytest.fixture(scope="module", params=BOTH)
def toy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    family: Family = request.param
    with at_toy_size():
        folder: Path = make_toy(family, tmp_path_factory.mktemp("bases") / family)
        base = open_base(folder, Plan(device="cpu", precision="fp32", threads=1))
        recipe = DreamBoothLora(
            base=str(folder), views=2, seed=SEED, prior_weight=0.0, caption_dropout=0.0, background_weight=1.0
        )
        examples = make_examples(base, _make_talkative(), recipe, [], lambda event: None)
        yield Toy(family, base, examples, recipe)


def script_answer(toy: Toy, noisy: Tensor, times_B: Tensor, words: list[Tensor]) -> Tensor:
    """What the script makes the transformer answer."""
    transformer, count = toy.base.pipe.transformer, len(noisy)
    if toy.family == "zimage":
        pictures = list(noisy.unsqueeze(2).unbind(0))
        answers = transformer(pictures, (NUM_TIMES - times_B) / NUM_TIMES, words, return_dict=False)[0]
        turned: Tensor = -torch.stack(answers, 0).squeeze(2)
        return turned
    pipe, (height, width) = toy.base.pipe, noisy.shape[-2:]
    lengths = torch.tensor([len(one) for one in words])
    hidden = torch.nn.utils.rnn.pad_sequence(words, batch_first=True)
    film = noisy.unsqueeze(2).permute(0, 2, 1, 3, 4)
    packed = pipe._pack_latents(film, count, noisy.shape[1], height, width)
    answer = transformer(
        hidden_states=packed,
        encoder_hidden_states=hidden,
        encoder_hidden_states_mask=torch.arange(hidden.shape[1]) < lengths[:, None],
        timestep=times_B / NUM_TIMES,
        img_shapes=[(1, height // 2, width // 2)] * count,
        return_dict=False,
    )[0]
    scale = pipe.vae_scale_factor
    unpacked: Tensor = pipe._unpack_latents(answer, height * scale, width * scale, scale)
    return unpacked.squeeze(2)


def script_loss(
    toy: Toy, clean: Tensor, noise: Tensor, sigmas_B: Tensor, times_B: Tensor, words: list[Tensor]
) -> Tensor:
    """The script's loss where it drew these levels of noise and times."""
    sigmas = sigmas_B[:, None, None, None]
    noisy = (1.0 - sigmas) * clean + sigmas * noise
    answer = script_answer(toy, noisy, times_B, words)
    weighting = compute_loss_weighting_for_sd3("none", sigmas)
    errors: Tensor = weighting.float() * (answer.float() - (noise - clean).float()) ** 2
    return errors.reshape(len(clean), -1).mean(1).mean()


def script_latents(toy: Toy, rows: list[int], sampling: Tensor) -> Tensor:
    """Of the examples' pictures: Z-Image's script takes the means, Qwen-Image's draws around them."""
    mean, std = toy.examples.mean[rows], toy.examples.std[rows]
    return mean if toy.family == "zimage" else mean + std * sampling


def words_of(prompts: Conditioning) -> list[Tensor]:
    """Without what only fills up."""
    found = zip(prompts["hidden"], prompts["mask"], strict=True)
    return [hidden[: int(mask.sum())] for hidden, mask in found]


@torch.no_grad()
def test_at_the_scripts_times_the_loss_is_the_scripts(toy: Toy) -> None:
    examples, base = toy.examples, toy.base
    scheduler = script_scheduler(toy.family, dict(base.pipe.scheduler.config))
    torch.manual_seed(SEED)
    u = compute_density_for_timestep_sampling("none", len(ROWS))
    times = scheduler.timesteps[(u * NUM_TIMES).long()]
    sigmas = torch.stack([scheduler.sigmas[scheduler.timesteps == time][0] for time in times])
    sampling, noise = torch.randn(2, len(ROWS), *examples.mean.shape[1:])
    prompts = examples.prompts.take(examples.prompt[ROWS])
    seen = base.objective.corrupt(examples.mean[ROWS] + examples.std[ROWS] * sampling, noise, times)
    answer = base.predict(seen.noisy, times, prompts)
    found = ((answer - seen.target).square() * seen.weight[:, None, None, None]).mean()
    clean = script_latents(toy, ROWS, sampling)
    expected = script_loss(toy, clean, noise, sigmas, times, words_of(prompts))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@torch.no_grad()
def test_a_seeded_step_has_the_scripts_loss(toy: Toy) -> None:
    examples, base = toy.examples, toy.base
    question = ask(base, examples, read_once(examples), ROWS, toy.recipe, STEP)
    found = weigh(base.predict(question.noisy, question.times, question.prompts), question)

    random = keyed(SEED, "step", STEP)
    shape = (len(ROWS), *examples.mean.shape[1:])
    sampling, noise = (torch.randn(shape, generator=random) for _ in range(2))
    prompts = examples.prompts.take(examples.prompt[ROWS])
    words = words_of(prompts)
    assert len({len(one) for one in words}) > 1  # ragged indeed
    clean = script_latents(toy, ROWS, sampling)
    times = question.times
    expected = script_loss(toy, clean, noise, times / NUM_TIMES, times, words)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    others = script_loss(toy, clean, noise, times / NUM_TIMES, times.flip(0), words)
    assert found.item() != pytest.approx(others.item(), rel=1e-4)


@torch.no_grad()
def test_latents_are_scaled_as_in_the_script(toy: Toy) -> None:
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    found, vae = toy.base.encode_image(pixels), toy.base.pipe.vae
    if toy.family == "zimage":
        expected = (
            vae.encode(pixels).latent_dist.mode() - vae.config.shift_factor
        ) * vae.config.scaling_factor
        assert torch.allclose(found.mean, expected, atol=1e-5)
        assert not found.std.any()
        return
    drawn = vae.encode(pixels.unsqueeze(2)).latent_dist.sample(torch.Generator().manual_seed(3))
    mean, std = (
        torch.tensor(stated).view(1, vae.config.z_dim, 1, 1, 1)
        for stated in (vae.config.latents_mean, vae.config.latents_std)
    )
    expected = ((drawn - mean) * (1.0 / std)).squeeze(2)
    noise = torch.randn(drawn.shape, generator=torch.Generator().manual_seed(3)).squeeze(2)
    assert torch.allclose(found.mean + found.std * noise, expected, atol=1e-5)


def test_a_flow_has_no_cap_of_the_signal() -> None:
    config = FlowMatchEulerDiscreteScheduler().config
    assert make_flow(config, 0.0, 2.0) == Flow(2.0)
    with pytest.raises(UserError, match="min_snr"):
        make_flow(config, 5.0, 2.0)
