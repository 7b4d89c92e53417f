from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

import understudy
from tests.methods.saved_state import weights_and_state
from tests.toy_character import make_character, make_recipe
from understudy.bases.base import Base
from understudy.bases.objectives import Corrupted, Objective
from understudy.bases.opening import open_base
from understudy.domain import Character, Scene
from understudy.events import ignore
from understudy.methods import learn, open_painter
from understudy.methods.adapters import add_adapter
from understudy.methods.conditioning import Condition, read_once
from understudy.methods.examples import Examples, make_decks
from understudy.methods.finetune import Part, ask, finetune
from understudy.methods.loop import LOG_EVERY
from understudy.methods.questions import weigh
from understudy.methods.reviewing import never_stop
from understudy.recipes import DrawSettings, Finetune
from understudy.runs import Plan, Run


def step_loss(
    base: Base, examples: Examples, condition: Condition, rows: list[int], recipe: Finetune, step: int
) -> torch.Tensor:
    question = ask(base, examples, condition, rows, recipe, step)
    return weigh(base.predict(question.noisy, question.times, question.prompts), question)


def test_loss_on_a_fixed_batch_falls(straight: Run, toy_base: Path, pip: Character, tmp_path: Path) -> None:
    recipe = make_recipe(toy_base).model_copy(
        update={"steps": 80, "learning_rate": 3e-3, "prior_weight": 0.0, "snapshot_every": 80}
    )
    base = open_base(toy_base, Plan(device="cpu", precision="fp32", threads=1))
    examples = Examples.load(straight.folder / "examples.safetensors", "cpu")
    condition = read_once(examples)
    part = Part(add_adapter(base, recipe), recipe.learning_rate)
    rows = [0, 3, 6, 0, 3, 6]

    def loss() -> float:
        with torch.no_grad():
            steps = range(1000, 1005)
            return sum(step_loss(base, examples, condition, rows, recipe, step).item() for step in steps)

    before = loss()
    run = Run(tmp_path)
    finetune(base, [part], examples, condition, recipe, run, lambda tensors, folder: None, never_stop, ignore)
    assert loss() < 0.6 * before


def test_the_base_computes_in_the_precision_that_is_asked_for(
    straight: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe = make_recipe(toy_base).model_copy(update={"precision": "bf16"})
    run = learn(pip, recipe, tmp_path)
    assert straight.manifest.plan.precision == "fp32"
    assert run.manifest.plan.precision == "bf16"
    assert {tensor.dtype for tensor in weights_and_state(run).values()} == {torch.float32}
    before, after = weights_and_state(straight), weights_and_state(run)
    ups = [name for name in before if name.startswith("weights.") and ".lora_B." in name]
    one, other = (torch.cat([tensors[name].flatten() for name in ups]) for tensors in (before, after))
    assert torch.cosine_similarity(one, other, dim=0) > 0.5


def test_only_the_adapter_is_trained_and_saved_in_full_precision(straight: Run) -> None:
    saved = weights_and_state(straight)
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}
    weights = [name for name in saved if name.startswith("weights.")]
    assert weights
    assert all(".lora_A." in name or ".lora_B." in name for name in weights)
    assert len(saved) == 5 * len(weights)
    assert any(tensor.abs().max() > 0 for name, tensor in saved.items() if ".lora_B." in name)


def test_accumulated_batches_count_alike(
    straight: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    """The loss that is logged is the mean over the batches of ten steps, at a rate that changes nothing."""
    knobs = {"accumulation": 2, "steps": LOG_EVERY, "learning_rate": 1e-12}
    recipe = make_recipe(toy_base).model_copy(update=knobs)
    base = open_base(toy_base, Plan(device="cpu", precision="fp32", threads=1))
    examples = Examples.load(straight.folder / "examples.safetensors", "cpu")
    condition, decks = read_once(examples), make_decks(examples, recipe)
    part = Part(add_adapter(base, recipe), recipe.learning_rate)
    with torch.no_grad():
        batches = range(2 * LOG_EVERY)
        losses = [step_loss(base, examples, condition, decks.deal(n), recipe, n).item() for n in batches]
    run = Run(tmp_path)
    finetune(base, [part], examples, condition, recipe, run, lambda tensors, folder: None, never_stop, ignore)
    logged = next(entry["loss"] for entry in run.read_log() if "loss" in entry)
    assert logged == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_leaning_moves_the_drawings_times_and_leaves_those_of_class_pictures(
    straight: Run, toy_base: Path
) -> None:
    seen: list[torch.Tensor] = []

    @dataclass(frozen=True)
    class Hearing:
        own: Objective
        num_times: int = 1000

        def sample_times(self, count: int, generator: torch.Generator) -> torch.Tensor:
            return self.own.sample_times(count, generator)

        def corrupt(self, clean: torch.Tensor, noise: torch.Tensor, times_B: torch.Tensor) -> Corrupted:
            seen.append(times_B)
            return self.own.corrupt(clean, noise, times_B)

    base = open_base(toy_base, Plan(device="cpu", precision="fp32", threads=1))
    base = replace(base, objective=Hearing(base.objective))
    examples = Examples.load(straight.folder / "examples.safetensors", "cpu")
    rows = [0, 3, int(examples.is_prior.nonzero()[0])]
    for lean in (1.0, 2.0):
        recipe = make_recipe(toy_base).model_copy(update={"noise_lean": lean})
        step_loss(base, examples, read_once(examples), rows, recipe, 5)
    plain, leaned = seen
    assert leaned[2] == plain[2]
    assert leaned[:2].tolist() == [int(1000 * (time / 1000) ** 2) for time in plain[:2].tolist()]


def test_all_kinds_of_layers_are_adapted(toy_base: Path) -> None:
    recipe = make_recipe(toy_base)
    found = {}
    for target in recipe.targets:
        base = open_base(toy_base, Plan(device="cpu", precision="fp32", threads=1))
        found[target] = set(add_adapter(base, recipe.model_copy(update={"targets": (target,)})))
    assert any("to_q" in name for name in found["attention"])
    assert any("ff.net.2" in name for name in found["feed-forward"])
    assert any("downsamplers.0.conv" in name for name in found["convolutions"])
    assert any("add_embedding.proj" in name for name in found["time"])
    assert not set.intersection(*found.values())


def test_another_seed_learns_otherwise(straight: Run, toy_base: Path, pip: Character, tmp_path: Path) -> None:
    other = weights_and_state(learn(pip, make_recipe(toy_base).model_copy(update={"seed": 1}), tmp_path))
    assert not all(torch.equal(tensor, other[name]) for name, tensor in weights_and_state(straight).items())


def test_two_drawings_are_enough_for_a_batch_of_six(toy_base: Path, tmp_path: Path) -> None:
    recipe = make_recipe(toy_base).model_copy(update={"batch": 6, "steps": 2, "prior_weight": 0.0})
    run = learn(make_character(2), recipe, tmp_path)
    examples = Examples.load(run.folder / "examples.safetensors", "cpu")
    dealt = [int(examples.unit[row]) for row in make_decks(examples, recipe).deal(0)]
    assert sorted(dealt) == [0, 0, 0, 1, 1, 1]


def test_plain_diffusers_draws_the_same_picture(straight: Run, toy_base: Path) -> None:
    newest = straight.newest()
    assert newest is not None
    with open_painter(straight) as painter:
        scene = Scene("a picture of Pip sad", 7)
        ours = next(painter([scene], DrawSettings(steps=4, guidance=3.0))).pixels
    pipe = StableDiffusionPipeline.from_pretrained(toy_base, safety_checker=None)

    def plain() -> np.ndarray:
        generator = torch.Generator().manual_seed(7)
        drawn = pipe(scene.prompt, None, None, 4, guidance_scale=3.0, generator=generator, output_type="np")
        pixels: np.ndarray = drawn.images[0] * 255
        return pixels

    without_adapter = plain()
    pipe.load_lora_weights(newest.folder)
    difference = np.abs(ours - plain()).mean()
    assert difference < 0.5
    assert difference < 0.5 * np.abs(ours - without_adapter).mean()


def test_plain_diffusers_draws_it_too_once_the_rank_follows_the_noise(
    toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe = make_recipe(toy_base).model_copy(update={"min_rank": 1, "learning_rate": 0.03})
    run = learn(pip, recipe, tmp_path)
    newest = run.newest()
    assert newest is not None
    scene = Scene("a picture of Pip sad", 7)
    with open_painter(run) as painter:
        ours = next(painter([scene], DrawSettings(steps=4, guidance=3.0))).pixels
    pipe = StableDiffusionPipeline.from_pretrained(toy_base, safety_checker=None)
    pipe.load_lora_weights(newest.folder)

    def difference() -> float:
        generator = torch.Generator().manual_seed(7)
        drawn = pipe(scene.prompt, None, None, 4, guidance_scale=3.0, generator=generator, output_type="np")
        return float(np.abs(ours - drawn.images[0] * 255).mean())

    at_whole_rank = difference()
    understudy.follow_noise(pipe.unet, min_rank=1, rank=recipe.rank)
    assert difference() < 0.5
    assert at_whole_rank > 2 * difference()
