"""A backward pass that frees each gradient at once: the same weights, and never two gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.killing import Killed
from tests.methods.saved_state import assert_same_state, state_of
from tests.toy_character import make_whole_recipe
from understudy.domain import Character, UserError
from understudy.events import Event
from understudy.methods import finetune as finetuning
from understudy.methods import learn
from understudy.methods.computing import learning_plans, trial_step
from understudy.methods.computing.dry_step import run_dry
from understudy.methods.computing.graphs import why_not
from understudy.methods.computing.learning_plans import plan_learning, preview_plans
from understudy.methods.computing.planning import following
from understudy.methods.computing.processes import Processes
from understudy.methods.computing.trial_step import take_steps
from understudy.options import make_recipe as recipe_from_options
from understudy.recipes import DreamBooth
from understudy.runs import Plan, Run

CPU = Plan(device="cpu", precision="fp32", threads=1)
CARD = Plan(device="cuda", precision="fp32", threads=1)


@dataclass
class Watch:
    """How many gradients there were whenever one more had come, and how many were left by each step."""

    together: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)

    @property
    def most(self) -> int:
        return max(self.together)


def count_gradients(weights: list[nn.Parameter]) -> int:
    return sum(weight.grad is not None for weight in weights)


@pytest.fixture(scope="module")
def watch() -> Iterator[Watch]:
    """Of all that learns from here on."""
    watch, begin = Watch(), finetuning.begin_tuning

    def begin_watched(*arguments: Any) -> Any:
        tuning = begin(*arguments)
        weights = list(tuning.training.weights.values())
        untyped: list[Any] = weights
        for weight in untyped:  # before a fused backward pass has its own hooks
            weight.register_post_accumulate_grad_hook(
                lambda _: watch.together.append(count_gradients(weights))
            )
        return tuning

    def add_up(own: Any, weights: list[nn.Parameter], figures: Any) -> dict[str, Tensor]:
        watch.left.append(count_gradients(weights))
        return dict(figures)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetuning, "begin_tuning", begin_watched)
        patch.setattr(Processes, "add_up", add_up)
        yield watch


def recipe_of(base: Path, **knobs: object) -> DreamBooth:
    own = {"steps": 6, "prior_pictures": 2, "text_learning_rate": 1e-3, "max_gradient_norm": 0.0}
    return DreamBooth.model_validate(make_whole_recipe(base).model_dump() | own | knobs)


@pytest.fixture(scope="module")
def plain(watch: Watch, toy_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = learn(pip, recipe_of(toy_base), tmp_path_factory.mktemp("plain"))
    assert not run.manifest.plan.fused_backward  # on a CPU nothing asks for it
    # Else what is asked of a fused one below could not fail.
    num_weights = sum(name.startswith("weights.") for name in state_of(run))
    assert watch.most == max(watch.left) > 0.9 * num_weights
    return run


@pytest.mark.parametrize("checkpointing", ["none", "segments", "whole"])
def test_the_weights_are_the_same_and_no_two_gradients_are_there(
    checkpointing: str, plain: Run, watch: Watch, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    num_gradients = watch.most
    watch.together.clear()
    watch.left.clear()
    recipe = recipe_of(toy_base, fused_backward="yes", checkpointing=checkpointing)
    run = learn(pip, recipe, tmp_path)
    assert run.manifest.plan.fused_backward
    assert_same_state(run, plain)
    assert len(watch.together) == recipe.steps * num_gradients
    assert watch.most == 1
    assert watch.left == [0] * recipe.steps
    watch.together.append(num_gradients)


def test_a_run_that_was_killed_goes_on_exactly(
    plain: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    def kill(event: Event) -> None:
        if getattr(event, "phase", "") == "learning" and getattr(event, "done", 0) == 5:
            raise Killed

    recipe = recipe_of(toy_base, fused_backward="yes")
    with pytest.raises(Killed):
        learn(pip, recipe, tmp_path, notify=kill)
    run = learn(pip, recipe, tmp_path)
    assert [line["step"] for line in run.read_log() if "reviewed" in line] == [3, 6]
    assert_same_state(run, plain)


def test_what_is_clipped_is_learned_otherwise(
    plain: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    """So that leaving the norm out is the recipe's choice, never the planner's."""
    clipped = state_of(learn(pip, recipe_of(toy_base, max_gradient_norm=0.01), tmp_path))
    assert not torch.equal(*(one["weights.unet.conv_in.weight"] for one in (clipped, state_of(plain))))


@pytest.mark.parametrize("is_fused", [False, True])
def test_a_dry_step_frees_what_the_run_will(
    is_fused: bool, toy_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []

    def run(base: Any, *rest: Any) -> None:
        run_dry(base, *rest)
        left.append(count_gradients(list(base.denoiser.parameters())))

    monkeypatch.setattr(trial_step, "run_dry", run)
    plan = CPU.model_copy(update={"fused_backward": is_fused})
    with following(plan):
        take_steps(toy_base, recipe_of(toy_base), plan)
    assert len(left) == trial_step.NUM_STEPS
    assert all((count == 0) == is_fused for count in left)


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"max_gradient_norm": 1.0}, "set it to 0"),
        ({"accumulation": 2}, "set it to 1"),
        ({"precision": "fp16"}, "take precision bf16 or fp32"),
    ],
    ids=str,
)
def test_what_asks_for_all_gradients_is_refused_or_keeps_them(
    knobs: dict[str, object], said: str, toy_base: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        recipe_of(toy_base, fused_backward="yes", **knobs)
    previews = preview_plans(recipe_of(toy_base, **knobs), toy_base, None)
    assert not any(one.plan.fused_backward for one in previews)
    assert any(one.plan.fused_backward for one in preview_plans(recipe_of(toy_base), toy_base, None))


def test_several_processes_and_fp16_sum_and_see_all_gradients(
    toy_base: Path, pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(toy_base, fused_backward="yes", steps=1)
    learn(pip, recipe, tmp_path)
    half = CPU.model_copy(update={"precision": "fp16"})
    with monkeypatch.context() as patch:
        patch.setattr(learning_plans, "choose_plan", lambda *rest: half)
        with pytest.raises(UserError, match="take --precision fp32"):
            plan_learning(recipe, toy_base, "cpu", print)
    with pytest.raises(UserError, match="leave accelerate launch out"):
        preview_plans(recipe, toy_base, None, processes=2)
    left_open = preview_plans(recipe_of(toy_base), toy_base, None, processes=2)
    assert not any(one.plan.fused_backward for one in left_open)
    monkeypatch.setattr("understudy.methods.learning.count_launched", lambda: 2)
    with pytest.raises(UserError, match="leave accelerate launch out"):
        learn(pip, recipe_of(toy_base, fused_backward="yes", steps=2), tmp_path)


def test_what_is_captured_keeps_its_gradients(toy_base: Path) -> None:
    recipe = recipe_of(toy_base, text_learning_rate=0.0)
    assert not why_not(CARD, recipe)
    assert "gradient" in why_not(CARD.model_copy(update={"fused_backward": True}), recipe)


def test_an_adapter_has_nothing_to_free(toy_base: Path) -> None:
    with pytest.raises(UserError, match="The method lora has no --fused-backward: leave it out"):
        recipe_from_options("lora", {"base": str(toy_base), "fused_backward": "yes"})
