"""A step that is captured, with a stand-in for the card: what is captured, when, and what if it fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.methods.recording import Recorder
from tests.methods.saved_state import assert_same_state
from tests.toy_character import make_recipe, make_whole_recipe, make_word_recipe
from understudy.bases.conditioning import Conditioning
from understudy.bases.objectives import Flow
from understudy.domain import Character
from understudy.events import Event, Note
from understudy.methods import learn
from understudy.methods.computing import graphs, learning_plans
from understudy.methods.computing.graphs import CapturedLoss, NotCaptured, capture_loss, capturing, why_not
from understudy.methods.computing.plans import Choice
from understudy.methods.questions import Question, find_loss
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
    recorder, notes = Recorder(), list[str]()
    if works:
        monkeypatch.setattr(graphs, "CapturedLoss", partial(CapturedLoss, by=recorder))

    def listen(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)

    run = learn(pip, recipe, tmp_path / "captured", notify=listen)
    # One replay more than steps: what was captured is asked another question first.
    assert (recorder.captures, recorder.replays) == ((1, 5) if works else (0, 0))
    # Without a card torch itself refuses to capture.
    assert sum("captured as a CUDA graph" in note for note in notes) == (not works)
    assert run.manifest.plan.captured
    assert_same_state(plain, run)


class Halved:
    """Of a base no more is asked."""

    plan, objective = CPU, Flow()

    def __init__(self, answer: Callable[[Tensor, Tensor], Tensor] | None = None) -> None:
        self.weight = nn.Parameter(torch.tensor(0.5))
        self._answer = answer

    def predict(self, noisy: Tensor, times: Tensor, prompts: Conditioning) -> Tensor:
        return (noisy if self._answer is None else self._answer(noisy, times)) * self.weight


def ask(count: int, value: float = 1.0) -> Question:
    ones = torch.full((count, 1, 2, 2), value)
    return Question(ones, torch.ones(count), Conditioning({"hidden": ones}), 0 * ones, torch.ones_like(ones))


def test_what_a_step_is_given_is_copied_to_where_it_was_captured() -> None:
    base: Any = Halved()
    recorder = Recorder()
    captured = capture_loss(base, [base.weight], ask(2), recorder)
    places = [one.data_ptr() for one in recorder.places]
    for value in (1.0, 2.0, 6.0):
        question = ask(2, value)
        loss = captured(question)
        assert loss.item() == find_loss(base, question).item() == (value / 2) ** 2
        assert torch.equal(recorder.places[0], question.noisy)
        assert recorder.places[0] is not question.noisy
        (gradient,) = torch.autograd.grad(loss, [base.weight])
        assert gradient.item() == value**2
    assert [one.data_ptr() for one in recorder.places] == places


def test_weights_that_moved_are_seen() -> None:
    base: Any = Halved()
    captured = capture_loss(base, [base.weight], ask(1), Recorder())
    before = captured(ask(1)).item()
    with torch.no_grad():
        base.weight.mul_(2)
    assert (before, captured(ask(1)).item()) == (0.25, 1.0)


def test_another_shape_is_computed_as_ever() -> None:
    base: Any = Halved()
    recorder = Recorder()
    loss = CapturedLoss(base, [base.weight], lambda event: None, recorder)
    assert [loss(ask(count)).item() for count in (2, 2, 1, 2)] == [0.25] * 4
    assert (recorder.captures, recorder.replays) == (1, 4)


def read_host(noisy: Tensor, times: Tensor) -> Tensor:
    return noisy * times.sum().item()


def keep_host(noisy: Tensor, times: Tensor) -> Tensor:
    """Python's numbers again, but read so that no card would know of it."""
    numbers: list[float] = times.numpy().tolist()
    return noisy * sum(numbers)


@pytest.mark.parametrize(
    ("answer", "why"), [(read_host, "_local_scalar_dense"), (keep_host, "answers otherwise")]
)
def test_a_step_that_reads_the_host_is_not_captured(
    answer: Callable[[Tensor, Tensor], Tensor], why: str
) -> None:
    base: Any = Halved(answer)
    with pytest.raises(NotCaptured, match=why):
        capture_loss(base, [base.weight], ask(1), Recorder())
    notes = list[Event]()
    loss = CapturedLoss(base, [base.weight], notes.append, Recorder())
    assert [loss(ask(1, value)).item() for value in (1.0, 2.0)] == [0.25, 1.0]
    assert len(notes) == 1


def test_a_capture_for_which_there_is_no_room_is_no_fault_of_the_step() -> None:
    def capture(module: nn.Module, like: tuple[Tensor, ...]) -> Callable[..., Tensor]:
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")

    base: Any = Halved()
    with pytest.raises(torch.OutOfMemoryError, match="CUBLAS_STATUS_ALLOC_FAILED"):
        capture_loss(base, [base.weight], ask(1), capture)


def test_prompts_of_different_lengths_are_not_captured() -> None:
    class Whole(Halved):
        plan = CPU.model_copy(update={"captured": True})

    base: Any = Whole()
    for lengths, is_captured in (((3, 3), True), ((1, 3), False)):
        mask = (torch.arange(4) < torch.tensor(lengths)[:, None]).long()
        notes = list[Event]()
        loss = capturing(base, [base.weight], mask, notes.append)
        assert (loss is not None, len(notes)) == (is_captured, not is_captured)


def test_a_mask_is_for_good() -> None:
    class Masked(Halved):
        def predict(self, noisy: Tensor, times: Tensor, prompts: Conditioning) -> Tensor:
            return noisy * self.weight * int(prompts["mask"].sum())

    def ask_masked(length: int) -> Question:
        plain = ask(1)
        prompts = Conditioning({"mask": (torch.arange(4) < length).long()[None]})
        return Question(plain.noisy, plain.times, prompts, plain.target, plain.weight)

    base: Any = Masked()
    captured = capture_loss(base, [base.weight], ask_masked(3), Recorder())
    assert captured.fits(ask_masked(3))
    assert not captured.fits(ask_masked(2))


@pytest.mark.parametrize(
    ("knobs", "plan", "expected"),
    [
        ({}, CARD, ""),
        ({}, CPU, "no graphics card"),
        ({"accumulation": 2}, CARD, "--accumulation"),
        ({"text_learning_rate": 1e-4}, CARD, "reads the prompts anew"),
        ({"vectors": 2}, CARD, "reads the prompts anew"),
        ({}, CARD.model_copy(update={"checkpointing": "whole"}), ""),
        ({}, CARD.model_copy(update={"compiled": True}), ""),
        ({}, CARD.model_copy(update={"offload": "blocks"}), "come and go"),
        ({}, CARD.model_copy(update={"offload": "shards"}), "come and go"),
        ({}, CARD.model_copy(update={"quantization": "nf4"}), "quantised"),
        ({}, CARD.model_copy(update={"fused_backward": True}), "freed at once"),
    ],
    ids=str,
)
def test_it_is_where_nothing_forbids_it(
    knobs: dict[str, object], plan: Plan, expected: str, toy_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of("lora", toy_base).model_copy(update=knobs)
    assert expected in why_not(plan, recipe)
    assert bool(why_not(plan, recipe)) == bool(expected)
    if plan in (CPU, CARD):
        monkeypatch.setattr(learning_plans, "choose_plan", lambda *rest: plan)
        choices = [learning_plans.plan_learning(recipe, toy_base, "auto", print, num) for num in (1, 2)]
        assert [choice.plan.captured for choice in choices] == [not expected, False]


def test_a_word_is_read_in_every_step(toy_base: Path) -> None:
    assert why_not(CARD, make_word_recipe(toy_base))
