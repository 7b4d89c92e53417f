"""The plan of a run on a graphics card that is only said to be there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ModelMixin
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn
from torch._dynamo.backends.registry import lookup_backend

from tests.bases.toys import make_toy
from tests.methods.dry_gradients import dry_gradients
from tests.toy_character import make_lora_recipe, make_recipe, make_whole_recipe, make_word_recipe
from understudy.bases.layouts import Family
from understudy.domain import UserError
from understudy.events import Event, Note
from understudy.methods.computing import learning_plans, trial_step
from understudy.methods.computing.compiled_gradients import LostGradients, check_gradients
from understudy.methods.computing.forecast import Forecaster
from understudy.methods.computing.learning_plans import find_free_bytes, plan_learning, preview_plans
from understudy.methods.computing.plans import Machine
from understudy.methods.computing.trial_step import measure_peak, take_steps
from understudy.recipes import Finetune, TextualInversion
from understudy.runs import Plan

MIB = 2**20
FIRST = Plan(device="cuda", precision="fp32", threads=1)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """A card of so little memory that the toy is large to it; every dry step takes what was forecast."""
    plans: list[Plan] = []

    def measure(folder: Path, recipe: object, plan: Plan) -> int:
        plans.append(plan)
        return MIB

    monkeypatch.setattr(learning_plans, "is_small", lambda folder: False)
    monkeypatch.setattr(learning_plans, "choose_plan", lambda *rest: FIRST)
    monkeypatch.setattr(learning_plans, "_measure", measure)
    return plans


def give_memory(mib: float, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(int(mib * MIB), frozenset(), compiles=False)
    monkeypatch.setattr(learning_plans, "find_machine", lambda *rest: machine)


def test_it_is_told_in_one_note_and_kept(
    toy_base: Path, tried: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_memory(1000, monkeypatch)
    notes: list[Event] = []
    choice = plan_learning(make_recipe(toy_base), toy_base, "auto", notes.append)
    assert tried == [choice.plan]
    assert choice.plan == FIRST.model_copy(update={"offload": "encoders"})
    assert choice.measured_bytes == MIB
    assert choice.forecast_bytes is not None
    (note,) = notes
    assert isinstance(note, Note)
    assert note.text.startswith("Learning on cuda in fp32, 0.0 GiB of the 1.0 that are free")


def test_less_memory_leads_to_a_more_frugal_plan(
    toy_base: Path, tried: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(toy_base).model_copy(update={"prior_weight": 0.0, "batch": 64})
    taken = []
    for mib in (200, 60, 31):
        give_memory(mib, monkeypatch)
        taken.append(plan_learning(recipe, toy_base, "auto", lambda event: None).plan.checkpointing)
    assert taken == ["none", "segments", "whole"]


def test_several_at_once_take_more(
    toy_base: Path, tried: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_memory(1000, monkeypatch)
    recipe = make_recipe(toy_base).model_copy(update={"prior_weight": 0.0})
    one, eight = (
        plan_learning(recipe, toy_base, "auto", lambda event: None, count).forecast_bytes for count in (1, 8)
    )
    assert one is not None
    assert eight is not None
    assert eight > 2 * one


def test_where_nothing_fits_smaller_pictures_are_named(
    toy_base: Path, tried: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_memory(80, monkeypatch)
    recipe = make_recipe(toy_base).model_copy(
        update={"prior_weight": 0.0, "batch": 8, "resolution_px": 256, "offload": "encoders"}
    )
    with pytest.raises(UserError, match=r"leave out --offload, or .*take --resolution-px 128 \(0\.\d GiB\)"):
        plan_learning(recipe, toy_base, "auto", lambda event: None)
    assert not tried


def test_clipping_is_the_users_to_give_up(
    toy_base: Path, tried: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_whole_recipe(toy_base).model_copy(
        update={"prior_weight": 0.0, "batch": 1, "checkpointing": "whole", "precision": "fp32"}
    )
    loose = recipe.model_copy(update={"max_gradient_norm": 0.0})
    kept, freed = (
        Forecaster(toy_base, loose)(FIRST.model_copy(update={"checkpointing": "whole", **how})).peak
        for how in ({}, {"fused_backward": True})
    )
    give_memory((kept + freed) / 2 / MIB / 0.92, monkeypatch)
    with pytest.raises(
        UserError, match=r"take --max-gradient-norm 0, so that gradients can be freed at once"
    ):
        plan_learning(recipe, toy_base, "auto", lambda event: None)
    assert not tried
    assert plan_learning(loose, toy_base, "auto", lambda event: None).plan.fused_backward
    refused = loose.model_copy(update={"fused_backward": "no"})
    with pytest.raises(UserError, match="leave out --checkpointing, or leave out --fused-backward"):
        plan_learning(refused, toy_base, "auto", lambda event: None)


@pytest.mark.parametrize(
    ("error", "compiled", "found"),
    [
        (torch.OutOfMemoryError("full"), False, None),
        (torch.OutOfMemoryError("full"), True, None),
        (RuntimeError("no compiler"), True, None),
        (None, False, 7 * MIB),
    ],
)
def test_a_dry_step_that_fails_is_no_plan(
    error: Exception | None,
    compiled: bool,
    found: int | None,
    toy_base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def take(*rest: object) -> None:
        if error is not None:
            raise error

    for name in ("empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda *rest: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda *rest: 7 * MIB)
    monkeypatch.setattr(trial_step, "take_steps", take)
    plan = FIRST.model_copy(update={"compiled": compiled})
    assert measure_peak(toy_base, make_recipe(toy_base), plan) == found


def test_a_dry_step_with_a_fault_of_ours_is_told(toy_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(*rest: object) -> None:
        raise RuntimeError("a fault")

    for name in ("empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda *rest: None)
    monkeypatch.setattr(trial_step, "take_steps", take)
    with pytest.raises(RuntimeError, match="a fault"):
        measure_peak(toy_base, make_lora_recipe(toy_base), FIRST)


CPU_COMPILED = FIRST.model_copy(update={"device": "cpu", "compiled": True})
MAKE = {"lora": make_lora_recipe, "whole": make_whole_recipe, "word": make_word_recipe}


def compile_nothing(denoiser: nn.Module) -> None:
    """The blocks as they are."""


def compile_wrongly(denoiser: nn.Module) -> None:
    """The right answers, and no way back through what the first block looks at."""
    block = next(one for one in denoiser.modules() if isinstance(one, BasicTransformerBlock))
    block.attn2.register_forward_hook(lambda module, given, answer: answer.detach())


def compile_deafly(denoiser: nn.Module) -> None:
    """The right answers, and no way back to the words."""
    for block in denoiser.modules():
        if isinstance(block, BasicTransformerBlock):
            block.attn2.register_forward_hook(lambda module, given, answer: answer.detach() + 0 * answer)


LOSE = {"lora": compile_wrongly, "whole": compile_wrongly, "word": compile_deafly}


@pytest.mark.parametrize("kind", MAKE)
def test_blocks_that_lose_gradients_are_found(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_toy("sd1", tmp_path / "sd1")  # which hears words in its blocks alone
    recipe: Finetune = MAKE[kind](folder)
    monkeypatch.setattr(ModelMixin, "compile_repeated_blocks", compile_nothing)
    take_steps(folder, recipe, CPU_COMPILED)
    monkeypatch.setattr(ModelMixin, "compile_repeated_blocks", LOSE[kind])
    with pytest.raises(LostGradients):
        take_steps(folder, recipe, CPU_COMPILED)


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no compiler")
def test_a_compiled_u_net_learns_by_its_dry_steps(tmp_path: Path) -> None:
    folder = make_toy("sdxl", tmp_path / "sdxl")
    take_steps(folder, make_lora_recipe(folder), CPU_COMPILED)


def test_what_loses_gradients_is_not_compiled_and_that_is_told_once(
    toy_base: Path, tried: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(folder: Path, recipe: Finetune, plan: Plan) -> int:
        tried.append(plan)
        take_steps(folder, recipe, plan.model_copy(update={"device": "cpu", "offload": "none"}))
        return MIB if plan.checkpointing == "whole" else 2000 * MIB

    machine = Machine(1000 * MIB, frozenset(), compiles=True)
    monkeypatch.setattr(learning_plans, "find_machine", lambda *rest: machine)
    monkeypatch.setattr(learning_plans, "_measure", measure)
    monkeypatch.setattr(ModelMixin, "compile_repeated_blocks", compile_wrongly)
    notes: list[Event] = []
    recipe = make_lora_recipe(toy_base).model_copy(update={"steps": 300, "prior_weight": 0.0})
    choice = plan_learning(recipe, toy_base, "auto", notes.append)
    assert [plan.compiled for plan in tried].count(True) == 1
    assert tried[0].compiled
    assert (choice.plan.compiled, choice.plan.checkpointing) == (False, "whole")
    said = [note.text for note in notes if isinstance(note, Note)]
    assert len(said) == 2
    assert said[0].endswith("get hardly any gradient: learning is not compiled.")


@pytest.mark.parametrize(
    ("plain", "compiled", "loses"),
    [
        ([1.0, 1.0], [1.0, 0.9], False),
        ([1.0, 1.0], [1.0, 0.0], True),
        ([1.0, 1.0], [1.0, float("nan")], True),
        ([float("inf"), 1.0, 1.0], [float("inf"), 1.0, 0.0], True),  # fp16 overflows; the others still tell
    ],
)
def test_what_counts_as_a_lost_gradient(plain: list[float], compiled: list[float], loses: bool) -> None:
    both = [[torch.tensor(one) for one in some] for some in (plain, compiled)]
    with pytest.raises(LostGradients) if loses else nullcontext():
        check_gradients(*both)


def test_what_a_family_cannot_learn_is_not_planned(tmp_path: Path) -> None:
    folder = make_toy("flux2", tmp_path)
    with pytest.raises(UserError, match="learns no new word"):
        preview_plans(TextualInversion(base=str(folder)), folder, None)


def test_without_a_card_nothing_is_free() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert find_free_bytes() is None


def compare_gradients(family: Family, folder: Path) -> tuple[float, float]:
    """The distance between gradients with compiled blocks and without, and the size of the latter."""
    make_toy(family, folder)
    plan = FIRST.model_copy(update={"device": "cpu", "checkpointing": "whole"})
    expected = dry_gradients(folder, plan, 1)
    found = dry_gradients(folder, plan.model_copy(update={"compiled": True}), 1)
    assert found.keys() >= expected.keys()
    # What the last block says of the words nobody hears: compiled, that is a gradient of nothing.
    expected |= {name: torch.zeros_like(one) for name, one in found.items() if name not in expected}
    plain, compiled = (
        torch.cat([one.flatten() for _, one in sorted(some.items())]) for some in (expected, found)
    )
    return (plain - compiled).norm().item(), plain.norm().item()


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no compiler")
@pytest.mark.parametrize("family", ["flux2", "sdxl"])
def test_compiled_blocks_learn_the_same(family: Family, tmp_path: Path) -> None:
    distance, size = compare_gradients(family, tmp_path / family)
    assert 0 < distance < 1e-5 * size


@pytest.mark.parametrize("family", ["sd3", "flux", "qwen", "zimage"])
def test_captured_blocks_learn_the_same(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that compiling does but for the machine's own code, which takes minutes to make."""
    captured: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        captured.append(len(graph.graph.nodes))
        made: Callable[..., Any] = lookup_backend("aot_eager")(graph, inputs)
        return made

    compiles = ModelMixin.compile_repeated_blocks
    monkeypatch.setattr(ModelMixin, "compile_repeated_blocks", partialmethod(compiles, backend=backend))
    distance, size = compare_gradients(family, tmp_path / family)
    assert captured
    assert distance < 1e-5 * size
