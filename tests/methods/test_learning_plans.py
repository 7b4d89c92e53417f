"""The plan of a run on a graphics card that is only said to be there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import ModelMixin

from tests.bases.toys import make_toy
from tests.methods.compiling_wrongly import compile_wrongly
from tests.methods.pretended_card import MIB, pretend_card
from tests.toy_character import make_lora_recipe, make_recipe, make_whole_recipe
from understudy.domain import UserError
from understudy.events import Event, Note
from understudy.methods.computing import learning_plans
from understudy.methods.computing.forecast import Forecaster
from understudy.methods.computing.learning_plans import find_free_bytes, plan_learning, preview_plans
from understudy.methods.computing.plans import Machine
from understudy.methods.computing.trial_step import take_steps
from understudy.recipes import Finetune, TextualInversion
from understudy.runs import Plan

FIRST = Plan(device="cuda", precision="fp32", threads=1)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """A card of so little memory that the toy is large to it; every dry step takes what was forecast."""
    return pretend_card(FIRST, monkeypatch)


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


def test_what_a_family_cannot_learn_is_not_planned(tmp_path: Path) -> None:
    folder = make_toy("flux2", tmp_path)
    with pytest.raises(UserError, match="learns no new word"):
        preview_plans(TextualInversion(base=str(folder)), folder, None)


def test_without_a_card_nothing_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_free_bytes() is None
