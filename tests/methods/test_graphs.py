"""A step that is captured, with a stand-in for the card: what is captured, when, and what if it fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.methods.saved_state import state_of
from tests.toy_character import make_recipe, make_whole_recipe, make_word_recipe
from understudy.bases.conditioning import Conditioning
from understudy.domain import Character
from understudy.events import Event, Note
from understudy.methods import finetune as finetuning
from understudy.methods import learn
from understudy.methods.computing import learning_plans
from understudy.methods.computing.graphs import CapturedLoss, can_capture
from understudy.methods.computing.plans import Choice
from understudy.methods.questions import Question
from understudy.recipes import DreamBoothLora
from understudy.runs import Plan

CPU = Plan(device="cpu", precision="fp32", threads=1)
CARD = Plan(device="cuda", precision="fp32", threads=1)


def make_by_noise(base: Path) -> DreamBoothLora:
    return make_recipe(base).model_copy(update={"min_rank": 1})


MAKE: dict[str, Callable[[Path], Any]] = {
    "lora": make_recipe,
    "by noise": make_by_noise,
    "whole": make_whole_recipe,
}


class StandIn:
    """Captures as torch does: inputs and gradients have a place each, and only parameters get a gradient."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def __call__(self, module: nn.Module, like: tuple[Tensor, ...]) -> Callable[..., Tensor]:
        self.captures += 1
        learning = [weight for weight in module.parameters() if weight.requires_grad]
        gradients = [torch.zeros_like(weight) for weight in learning]
        own = self

        class Replay(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *given: Tensor) -> Tensor:
                own.replays += 1
                for place, tensor in zip(like, given[: len(like)], strict=True):
                    place.copy_(tensor)
                with torch.enable_grad():
                    ctx.loss = module(*like)
                loss: Tensor = ctx.loss.detach()
                return loss

            @staticmethod
            def backward(ctx: Any, *gradient: Tensor) -> Any:
                found = torch.autograd.grad(ctx.loss, learning, gradient, allow_unused=True)
                for place, one in zip(gradients, found, strict=True):
                    place.copy_(torch.zeros_like(place) if one is None else one)
                return (*(None for _ in like), *(place.detach() for place in gradients))

        def replay(*tensors: Tensor) -> Tensor:
            untyped: Any = Replay
            answer: Tensor = untyped.apply(*tensors, *learning)
            return answer

        return replay


def recipe_of(kind: str, base: Path) -> Any:
    recipe = MAKE[kind](base)
    knobs = {"steps": 4, "prior_pictures": 2, "text_learning_rate": 0.0, "accumulation": 1}
    return type(recipe).model_validate(recipe.model_dump() | knobs)


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("works", [True, False])
def test_what_is_learned_is_the_same(
    kind: str, works: bool, toy_base: Path, pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(kind, toy_base)
    plain = learn(pip, recipe, tmp_path / "plain")
    plan = CPU.model_copy(update={"captured": True})
    monkeypatch.setattr("understudy.methods.learning.plan_learning", lambda *rest: Choice(plan))
    stand_in, notes = StandIn(), list[str]()
    if works:
        monkeypatch.setattr(finetuning, "CapturedLoss", partial(CapturedLoss, by=stand_in))

    def listen(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)

    run = learn(pip, recipe, tmp_path / "captured", notify=listen)
    assert (stand_in.captures, stand_in.replays) == ((1, 4) if works else (0, 0))
    # Without a card torch itself refuses to capture.
    assert sum("captured as a CUDA graph" in note for note in notes) == (not works)
    assert run.manifest.plan.captured
    expected, found = state_of(plain), state_of(run)
    assert expected.keys() == found.keys()
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def test_another_shape_is_computed_as_ever() -> None:
    class Half:
        plan = CPU

        @staticmethod
        def predict(noisy: Tensor, times: Tensor, prompts: Conditioning) -> Tensor:
            return noisy * weight

    def ask(count: int) -> Question:
        ones = torch.ones(count, 1, 2, 2)
        return Question(ones, torch.ones(count), Conditioning({"hidden": ones}), 0 * ones, ones)

    weight, stand_in = nn.Parameter(torch.tensor(0.5)), StandIn()
    base: Any = Half()  # of a base no more is asked
    loss = CapturedLoss(base, [weight], lambda event: None, stand_in)
    assert [loss(ask(count)).item() for count in (2, 2, 1, 2)] == [0.25] * 4
    assert (stand_in.captures, stand_in.replays) == (1, 3)


def test_prompts_of_different_lengths_are_not_captured() -> None:
    class Whole:
        plan = CPU

        @staticmethod
        def predict(noisy: Tensor, times: Tensor, prompts: Conditioning) -> Tensor:
            return noisy * int(prompts["mask"].sum())

    base: Any = Whole()  # of a base no more is asked
    stand_in, notes = StandIn(), list[Event]()
    loss = CapturedLoss(base, [], notes.append, stand_in)
    ones = torch.ones(1, 1, 2, 2)
    found = []
    for length in (1, 3):
        mask = (torch.arange(4) < length).long()[None]
        question = Question(ones, torch.ones(1), Conditioning({"mask": mask}), 0 * ones, ones)
        found.append(loss(question).item())
    assert found == [1, 9]
    assert (stand_in.captures, len(notes)) == (0, 1)


@pytest.mark.parametrize(
    ("knobs", "plan", "expected"),
    [
        ({}, CARD, True),
        ({}, CPU, False),
        ({"accumulation": 2}, CARD, False),
        ({"text_learning_rate": 1e-4}, CARD, False),
        ({"vectors": 2}, CARD, False),
        ({}, CARD.model_copy(update={"checkpointing": "whole"}), False),
        ({}, CARD.model_copy(update={"offload": "blocks"}), False),
        ({}, CARD.model_copy(update={"compiled": True}), False),
    ],
    ids=str,
)
def test_it_is_where_nothing_forbids_it(
    knobs: dict[str, object], plan: Plan, expected: bool, toy_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of("lora", toy_base).model_copy(update=knobs)
    assert can_capture(plan, recipe) is expected
    if plan in (CPU, CARD):
        monkeypatch.setattr(learning_plans, "choose_plan", lambda *rest: plan)
        choices = [learning_plans.plan_learning(recipe, toy_base, "auto", print, num) for num in (1, 2)]
        assert [choice.plan.captured for choice in choices] == [expected, False]


def test_a_word_is_read_in_every_step(toy_base: Path) -> None:
    assert not can_capture(CARD, make_word_recipe(toy_base))
