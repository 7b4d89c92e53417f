"""The captured step of large families: all nine learn by it what they learn without, or say why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.bases.toys import FAMILIES, at_toy_size, make_toy
from tests.methods.pretended_card import MIB, pretend_card
from tests.methods.recording import Recorder
from tests.methods.saved_state import assert_same_state
from tests.toy_character import make_character, make_lora_recipe, make_recipe
from understudy.bases.layouts import Family
from understudy.events import Event, Note
from understudy.methods import learn
from understudy.methods.computing import graphs, learning_plans
from understudy.methods.computing.graphs import CapturedLoss, NotCaptured
from understudy.methods.computing.host_copies import copies_from_host, watching
from understudy.methods.computing.learning_plans import plan_learning
from understudy.methods.computing.plans import Choice, Machine
from understudy.methods.computing.trial_step import take_steps
from understudy.recipes import DreamBoothLora
from understudy.runs import Plan

CPU = Plan(device="cpu", precision="fp32", threads=1)
CARD = Plan(device="cuda", precision="fp32", threads=1)
CAPTURED = CPU.model_copy(update={"captured": True})
MASKED: tuple[Family, ...] = ("qwen", "qwen-edit", "zimage")


def make_short(folder: Path, **knobs: object) -> DreamBoothLora:
    few = {"steps": 3, "prior_weight": 0.0, "cuda_graph": "yes"}
    return DreamBoothLora.model_validate(make_recipe(folder).model_dump() | few | knobs)


def learn_captured(
    folder: Path, recipe: DreamBoothLora, plan: Plan, by: Recorder, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, list[str]]:
    """A run of steps that `by` captures, and what was said of it."""
    monkeypatch.setattr("understudy.methods.learning.plan_learning", lambda *rest: Choice(plan))
    monkeypatch.setattr(graphs, "CapturedLoss", partial(CapturedLoss, by=by))
    notes = list[Event]()
    run = learn(make_character(), recipe, folder, notify=notes.append)
    return run, [note.text for note in notes if isinstance(note, Note) and "CUDA graph" in note.text]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_familys_captured_step_learns_the_same(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_toy(family, tmp_path / family)
    # Of families that read prompts as long as they are, all must be the same.
    alike = {"captions": False, "caption_dropout": 0.0} if family in MASKED else {}
    with at_toy_size():
        recipe, recorder = make_short(folder, **alike), Recorder()
        plain = learn(make_character(), recipe, tmp_path / "plain")
        run, said = learn_captured(tmp_path / "run", recipe, CAPTURED, recorder, monkeypatch)
    assert (recorder.captures, recorder.replays) == (1, 4)
    assert said == []
    assert_same_state(plain, run)


@pytest.mark.parametrize("family", ["qwen", "zimage"])
def test_prompts_of_different_lengths_are_told_and_learned(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_toy(family, tmp_path / family)
    with at_toy_size():
        recipe, recorder = make_short(folder), Recorder()
        plain = learn(make_character(), recipe, tmp_path / "plain")
        run, said = learn_captured(tmp_path / "run", recipe, CAPTURED, recorder, monkeypatch)
    assert recorder.captures == 0
    assert said == ["No step is captured as a CUDA graph, because the prompts differ in length."]
    assert_same_state(plain, run)


def test_blocks_that_compute_again_are_captured_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_toy("flux2", tmp_path / "flux2")
    recipe, recorder = make_short(folder), Recorder()
    plain = learn(make_character(), recipe, tmp_path / "plain")
    plan = CAPTURED.model_copy(update={"checkpointing": "whole"})
    run, said = learn_captured(tmp_path / "run", recipe, plan, recorder, monkeypatch)
    assert (recorder.replays, said) == (4, [])
    assert_same_state(plain, run)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_step_brings_the_hosts_numbers(family: Family, tmp_path: Path) -> None:
    with at_toy_size():
        assert copies_from_host(make_toy(family, tmp_path / family)) == []


def edit_later(folder: Path) -> Path:
    """As Qwen-Image-Edit is since 2511: its transformer makes a table of Python's numbers in every step."""
    path = folder / "transformer" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"zero_cond_t": True}))
    return folder


def test_one_that_does_is_found(tmp_path: Path) -> None:
    with at_toy_size():
        assert "torch.tensor" in copies_from_host(edit_later(make_toy("qwen-edit", tmp_path / "edit")))


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: torch.ones(2).to("meta"), 1),
        (lambda: torch.tensor([1, 2], device="meta"), 1),
        (lambda: torch.tensor(data=[1, 2], device="meta"), 1),
        (lambda: torch.ones(2, device="meta").new_tensor([1, 2]), 1),
        (lambda: torch.as_tensor(5, device="meta"), 1),
        (lambda: torch.ones(2, device="meta")[torch.tensor([0])], 1),
        (lambda: torch.full((2,), 3, device="meta") * 2 + torch.arange(2, device="meta"), 0),
        (lambda: torch.as_tensor(torch.ones(2, device="meta")), 0),
        (lambda: torch.ones(2) + 1, 0),
    ],
)
def test_what_brings_the_hosts_numbers(make: Callable[[], Tensor], count: int) -> None:
    with watching() as found:
        make()
    assert len(found) == count


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """A card to which the toys are large; every dry step takes what was forecast."""
    machine = Machine(1000 * MIB, frozenset(), compiles=False)
    monkeypatch.setattr(learning_plans, "find_machine", lambda *rest: machine)
    return pretend_card(CARD, monkeypatch)


def texts(notes: list[Event]) -> list[str]:
    return [note.text for note in notes if isinstance(note, Note)]


@pytest.mark.parametrize(("asked", "is_captured"), [("auto", False), ("yes", True), ("no", False)])
def test_a_large_base_is_captured_where_that_is_asked_for(
    asked: str, is_captured: bool, tried: list[Plan], tmp_path: Path
) -> None:
    folder = make_toy("sdxl", tmp_path / "sdxl")
    notes = list[Event]()
    choice = plan_learning(make_short(folder, cuda_graph=asked), folder, "auto", notes.append)
    assert (choice.plan.captured, [plan.captured for plan in tried]) == (is_captured, [is_captured])
    (said,) = texts(notes)
    assert ("its step captured as a CUDA graph" in said) == is_captured


def test_what_cannot_be_captured_says_so_and_learns(tried: list[Plan], tmp_path: Path) -> None:
    folder = make_toy("sdxl", tmp_path / "sdxl")
    edit = edit_later(make_toy("qwen-edit", tmp_path / "edit"))
    cases: list[tuple[Path, dict[str, object], int, str]] = [
        (folder, {"accumulation": 2}, 1, "its gradients do not add up"),
        (folder, {"text_learning_rate": 1e-4}, 1, "every step reads the prompts anew"),
        (folder, {"offload": "blocks", "checkpointing": "whole"}, 1, "blocks of the base come and go"),
        (folder, {}, 2, "several adapters learn at once"),
        (edit, {}, 1, "its denoiser is given numbers of Python's in every step"),
    ]
    for base, knobs, num_together, why in cases:
        notes = list[Event]()
        with at_toy_size():
            choice = plan_learning(make_short(base, **knobs), base, "auto", notes.append, num_together)
        assert not choice.plan.captured
        assert texts(notes)[0].startswith(f"No step is captured as a CUDA graph, because {why}")
    assert not any(plan.captured for plan in tried)


def test_a_dry_step_that_cannot_be_captured_leads_to_one_without(
    tried: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_toy("sdxl", tmp_path / "sdxl")
    plain = learning_plans._measure

    def measure(folder: Path, recipe: DreamBoothLora, plan: Plan) -> int | None:
        found = plain(folder, recipe, plan)
        if plan.captured:
            raise NotCaptured("a sync")
        return found if plan.checkpointing == "whole" else None

    monkeypatch.setattr(learning_plans, "_measure", measure)
    notes = list[Event]()
    choice = plan_learning(make_short(folder), folder, "auto", notes.append)
    assert (choice.plan.captured, choice.plan.checkpointing) == (False, "whole")
    # Each of the three with prompts read on the device and, but for the last, on the CPU.
    assert [plan.captured for plan in tried] == [True, *[False] * 5]
    failed, chosen = texts(notes)
    assert failed == "A step could not be captured as a CUDA graph (a sync): learning without."
    assert "captured" not in chosen


class Forgetful(Recorder):
    """Captures, and answers every question as the first."""

    def __call__(self, module: nn.Module, like: tuple[Tensor, ...]) -> Callable[..., Tensor]:
        replay = super().__call__(module, like)
        first = tuple(one.clone() for one in like)
        return lambda *tensors: replay(*first)


@pytest.mark.parametrize("family", ["sdxl", "flux"])
def test_a_dry_step_is_captured_as_those_that_learn(family: Family, tmp_path: Path) -> None:
    folder = make_toy(family, tmp_path / family)
    recipe = make_lora_recipe(folder).model_copy(update={"accumulation": 1})
    recorder = Recorder()
    take_steps(folder, recipe, CAPTURED, recorder)
    assert (recorder.captures, recorder.replays) == (1, 3)
    with pytest.raises(NotCaptured, match="answers otherwise"):
        take_steps(folder, recipe, CAPTURED, Forgetful())
