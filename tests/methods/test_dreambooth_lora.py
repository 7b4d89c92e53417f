from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from diffusers import StableDiffusionPipeline

import understudy
from tests.toy_character import make_character, make_recipe
from understudy.bases.base import Base
from understudy.bases.objectives import Corrupted, Objective
from understudy.bases.opening import open_base
from understudy.domain import Character, Scene
from understudy.events import Cancelled, Event, Step, ignore
from understudy.methods import learn, open_painter
from understudy.methods.adapters import WEIGHTS_FILE, add_adapter
from understudy.methods.conditioning import Condition, read_once
from understudy.methods.examples import Examples, make_decks
from understudy.methods.finetune import Part, ask, finetune
from understudy.methods.loop import LOG_EVERY
from understudy.methods.questions import weigh
from understudy.methods.reviewing import Continue, Snapshot, Stop, never_stop
from understudy.recipes import DrawSettings, Finetune
from understudy.runs import STATE_FILE, Plan, Run, open_run

Tensors = dict[str, torch.Tensor]


def step_loss(
    base: Base, examples: Examples, condition: Condition, rows: list[int], recipe: Finetune, step: int
) -> torch.Tensor:
    question = ask(base, examples, condition, rows, recipe, step)
    return weigh(base.predict(question.noisy, question.times, question.prompts), question)


@pytest.fixture(scope="module")
def straight(toy_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nothing disturbed."""
    return learn(pip, make_recipe(toy_base), tmp_path_factory.mktemp("straight"))


def state(run: Run) -> Tensors:
    newest = run.newest_state()
    assert newest is not None
    files = (newest.folder / WEIGHTS_FILE, newest.folder / STATE_FILE)
    return {key: tensor for file in files for key, tensor in safetensors.torch.load_file(file).items()}


def assert_same(one: Tensors, other: Tensors) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def stop_at(step: int) -> Callable[[Event], None]:
    def notify(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "learning" and event.done == step:
            raise Cancelled

    return notify


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
    assert {tensor.dtype for tensor in state(run).values()} == {torch.float32}
    before, after = state(straight), state(run)
    ups = [name for name in before if name.startswith("weights.") and ".lora_B." in name]
    one, other = (torch.cat([tensors[name].flatten() for name in ups]) for tensors in (before, after))
    assert torch.cosine_similarity(one, other, dim=0) > 0.5


def test_only_the_adapter_is_trained_and_saved_in_full_precision(straight: Run) -> None:
    saved = state(straight)
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


def test_going_on_after_a_stop_is_exact(
    straight: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe = make_recipe(toy_base)
    for step in (2, 5, 7):
        with pytest.raises(Cancelled):
            learn(pip, recipe, tmp_path, notify=stop_at(step))
        newest = open_run(tmp_path).newest_state()
        assert newest is not None
        assert newest.step == step
    assert_same(state(learn(pip, recipe, tmp_path)), state(straight))
    assert [entry["step"] for entry in open_run(tmp_path).read_log()] == [
        entry["step"] for entry in straight.read_log()
    ]


def test_more_steps_go_on_as_if_they_had_been_asked_for_at_once(
    straight: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    short = make_recipe(toy_base).model_copy(update={"steps": 4})
    learn(pip, short, tmp_path)
    assert_same(state(learn(pip, make_recipe(toy_base), tmp_path)), state(straight))


def test_a_broken_newest_checkpoint_costs_steps_only(
    straight: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe = make_recipe(toy_base)
    with pytest.raises(Cancelled):
        learn(pip, recipe, tmp_path, notify=stop_at(8))
    broken = tmp_path / "checkpoints" / "000008" / STATE_FILE
    broken.write_bytes(broken.read_bytes()[:-100])
    assert_same(state(learn(pip, recipe, tmp_path)), state(straight))


def test_another_seed_learns_otherwise(straight: Run, toy_base: Path, pip: Character, tmp_path: Path) -> None:
    other = state(learn(pip, make_recipe(toy_base).model_copy(update={"seed": 1}), tmp_path))
    assert not all(torch.equal(tensor, other[name]) for name, tensor in state(straight).items())


def test_the_reviewer_sees_snapshots_and_may_stop(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    seen = []

    def review(snapshot: Snapshot) -> Continue | Stop:
        seen.append((snapshot.checkpoint.step, snapshot.total))
        assert snapshot.checkpoint.is_whole(*snapshot.checkpoint.weights)
        return Stop() if snapshot.checkpoint.step == 6 else Continue()

    recipe = make_recipe(toy_base)
    run = learn(pip, recipe, tmp_path, review)
    assert seen == [(3, 9), (6, 9)]
    learn(pip, recipe, tmp_path, review)
    assert len(seen) == 2
    learn(pip, recipe.model_copy(update={"steps": 12}), run, review)
    assert seen[2:] == [(9, 12), (12, 12)]


def test_a_snapshot_that_a_kill_left_unreviewed_is_reviewed_first(
    toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    seen = []

    def review(snapshot: Snapshot) -> Continue | Stop:
        seen.append(snapshot.checkpoint.step)
        return Continue()

    recipe = make_recipe(toy_base)
    for step in (3, 9):
        with pytest.raises(Cancelled):
            learn(pip, recipe, tmp_path, review, stop_at(step))
    for _ in range(2):
        learn(pip, recipe, tmp_path, review)
    assert seen == [3, 6, 9]


def test_broken_examples_are_made_again(
    straight: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe = make_recipe(toy_base)
    with pytest.raises(Cancelled):
        learn(pip, recipe, tmp_path, notify=stop_at(5))
    for file in ("examples.safetensors", "class_pictures/0001.png"):
        path = tmp_path / file
        path.write_bytes(path.read_bytes()[:-100])
    assert_same(state(learn(pip, recipe, tmp_path)), state(straight))


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


LEARN = """
import sys, time
from pathlib import Path
from tests.toy_character import make_character, make_recipe
from understudy.methods import learn
learn(make_character(), make_recipe(Path(sys.argv[1])), sys.argv[2], notify=lambda event: time.sleep(0.03))
"""


def start_learning(base: Path, run: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", LEARN, base, run],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_kill_and_the_same_command_again_end_in_the_same_weights(
    straight: Run, toy_base: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for kill in range(2):
        process = start_learning(toy_base, run)
        wait_for(run / "checkpoints" / f"00000{3 + 3 * kill}", process)
        time.sleep(random.uniform(0, 0.08))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert open_run(run).newest_state() is not None
    process = start_learning(toy_base, run)
    assert process.wait(300) == 0
    assert_same(state(open_run(run)), state(straight))


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 300
    while not path.exists():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.002)
