"""Which plan is taken, on cards that are only said to be there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from understudy.bases.quantizing import Quantizer
from understudy.methods.computing.forecast import Forecast
from understudy.methods.computing.plans import (
    GIB,
    Choice,
    Machine,
    TooSmall,
    describe,
    list_plans,
    pick,
    refuse,
)
from understudy.recipes import DreamBooth, DreamBoothLora, Finetune, TextualInversion
from understudy.runs import Plan

FIRST = Plan(device="cuda", precision="bf16", threads=1, offload="encoders", tf32=True)
ALL: frozenset[Quantizer] = frozenset({"bitsandbytes", "torchao", "quanto"})
STEP = {"none": 5.3, "segments": 2.9, "whole": 0.5}
WEIGHTS = {"none": 4.8, "int8": 2.7, "nf4": 1.8}


def card(gib: float, quantizers: frozenset[Quantizer] = ALL, compiles: bool = False) -> Machine:
    return Machine(int(gib * GIB), quantizers, compiles)


def forecast(plan: Plan) -> Forecast:
    """SDXL's figures at 1024 pixels, in round numbers."""
    weights = 0.4 if plan.offload == "blocks" else WEIGHTS[plan.quantization]
    parts = (weights, 0.3, STEP[plan.checkpointing], 0.2, 0.0)
    return Forecast(*(int(part * GIB) for part in parts))


def as_forecast(plan: Plan) -> int | None:
    return forecast(plan).peak


def said(plan: Plan) -> str:
    kept = "blocks" if plan.offload == "blocks" else plan.quantization
    how = f"{' fused' if plan.fused_backward else ''}{' compiled' if plan.compiled else ''}"
    return f"{kept} {plan.checkpointing}{how}"


def list_said(recipe: Finetune, machine: Machine) -> list[str]:
    """The plans that read prompts on the card."""
    plans = list_plans(FIRST, recipe, machine)
    return [said(plan) for plan in plans if plan.readers == "device"]


def take(
    gib: float, recipe: Finetune | None = None, measure: Callable[[Plan], int | None] = as_forecast
) -> Choice:
    machine = card(gib)
    return pick(list_plans(FIRST, recipe or DreamBoothLora(), machine), machine, forecast, measure)


def test_the_order_is_the_documented_one() -> None:
    assert list_said(DreamBoothLora(steps=400), card(24, compiles=True)) == [
        "none none compiled",
        "none none",
        "none segments compiled",
        "none segments",
        "none whole compiled",
        "none whole",
        "int8 none",
        "int8 segments",
        "int8 whole",
        "nf4 none",
        "nf4 segments",
        "nf4 whole",
        "blocks whole",
    ]
    plans = list_plans(FIRST, DreamBoothLora(), card(24))
    assert {plan.offload for plan in plans[:-2]} == {"encoders"}
    assert all((plan.device, plan.precision, plan.tf32) == ("cuda", "bf16", True) for plan in plans)
    assert {plan.quantizer for plan in plans if plan.quantization != "none"} == {"bitsandbytes"}


def test_several_processes_share_the_denoiser_before_it_is_quantised() -> None:
    two = replace(card(24, compiles=True), processes=2)
    plans = list_plans(FIRST, DreamBoothLora(steps=400), two)
    kept = list(dict.fromkeys((plan.offload, plan.quantization) for plan in plans))
    assert kept == [
        ("encoders", "none"),
        ("shards", "none"),
        ("encoders", "int8"),
        ("encoders", "nf4"),
        ("blocks", "none"),
    ]
    assert not any(plan.compiled for plan in plans if plan.offload == "shards")
    learns_all = list_plans(FIRST, DreamBooth(), two)
    assert all(plan.offload == "encoders" for plan in learns_all)
    asked = list_plans(FIRST, DreamBoothLora(offload="shards"), two)
    assert {plan.offload for plan in asked} == {"shards"}
    assert [plan.checkpointing for plan in asked if plan.readers == "device"] == ["none", "segments", "whole"]


def test_what_only_all_can_try_is_taken_as_forecast() -> None:
    two = replace(card(5.5), processes=2)

    def half(plan: Plan) -> Forecast:
        found = forecast(plan)
        return replace(found, weights=found.weights // 2) if plan.offload == "shards" else found

    def measure(plan: Plan) -> int | None:
        raise AssertionError("one alone cannot")

    choice = pick(list_plans(FIRST, DreamBoothLora(), two), two, half, measure)
    assert (choice.plan.offload, choice.plan.checkpointing) == ("shards", "whole")
    assert choice.measured_bytes is None
    assert "blocks shared between the processes" in describe(choice, two)


def test_prompts_are_read_on_the_cpu_where_their_readers_do_not_fit() -> None:
    def large(plan: Plan) -> Forecast:
        reading = int((7.6 if plan.readers == "device" else 0.5) * GIB)
        return replace(forecast(plan), reading=reading)

    machine = card(8)
    choice = pick(list_plans(FIRST, DreamBoothLora(), machine), machine, large, as_forecast)
    assert (said(choice.plan), choice.plan.readers) == ("none whole", "cpu")
    assert describe(choice, machine).startswith(
        "Learning on cuda in bf16, checkpointing whole, prompts read on the CPU, 5.6 GiB"
    )
    roomy = card(12)
    assert (
        pick(list_plans(FIRST, DreamBoothLora(), roomy), roomy, large, as_forecast).plan.readers == "device"
    )


@pytest.mark.parametrize("recipe", [TextualInversion(), DreamBoothLora(text_learning_rate=1e-4)])
def test_what_reads_in_every_step_does_so_on_the_card(recipe: Finetune) -> None:
    assert {plan.readers for plan in list_plans(FIRST, recipe, card(24))} == {"device"}


def test_few_steps_are_not_worth_compiling() -> None:
    plans = list_plans(FIRST, DreamBoothLora(steps=50), card(24, compiles=True))
    assert not any(plan.compiled for plan in plans)


@pytest.mark.parametrize(
    ("gib", "taken"),
    [
        (24, "none none"),
        (12, "none none"),
        (10, "none segments"),
        (8, "none whole"),
        (6, "int8 whole"),
        (4, "int8 whole"),
        (3, "nf4 whole"),
        (2, "blocks whole"),
    ],
)
def test_the_fastest_that_fits_is_taken(gib: float, taken: str) -> None:
    choice = take(gib)
    assert said(choice.plan) == taken
    assert choice.forecast_bytes == choice.measured_bytes == forecast(choice.plan).peak


def test_what_cannot_fit_is_not_even_tried() -> None:
    tried: list[str] = []

    def measure(plan: Plan) -> int | None:
        tried.append(said(plan))
        return as_forecast(plan)

    take(8, measure=measure)
    assert tried == ["none whole"]


def test_a_step_that_did_not_fit_after_all_leads_to_the_next() -> None:
    def measure(plan: Plan) -> int | None:
        return None if plan.checkpointing == "none" else forecast(plan).peak + GIB

    choice = take(12, measure=measure)
    assert said(choice.plan) == "none segments"
    assert choice.measured_bytes == (choice.forecast_bytes or 0) + GIB


def test_a_compiler_that_fails_is_done_without() -> None:
    machine = card(24, compiles=True)
    plans = list_plans(FIRST, DreamBoothLora(), machine)
    choice = pick(plans, machine, forecast, lambda plan: None if plan.compiled else as_forecast(plan))
    assert said(choice.plan) == "none none"


@pytest.mark.parametrize(
    ("knobs", "gib", "taken"),
    [
        ({"checkpointing": "none"}, 8.5, "nf4 none"),
        ({"checkpointing": "segments"}, 8, "int8 segments"),
        ({"quantization": "none"}, 6.5, "none whole"),
        ({"quantization": "nf4"}, 24, "nf4 none"),
        ({"quantization": "int8", "checkpointing": "whole"}, 24, "int8 whole"),
        ({"offload": "blocks"}, 24, "blocks whole"),
        ({"offload": "encoders"}, 8, "none whole"),
    ],
)
def test_what_is_asked_for_is_taken(knobs: dict[str, object], gib: float, taken: str) -> None:
    assert said(take(gib, DreamBoothLora.model_validate(knobs)).plan) == taken


def test_nothing_leaves_the_device_where_that_is_asked_for() -> None:
    plans = list_plans(FIRST, DreamBoothLora(offload="none"), card(24))
    assert {plan.offload for plan in plans} == {"none"}


def test_what_learns_is_neither_quantised_nor_sent_away() -> None:
    assert list_said(DreamBooth(), card(24)) == ["none none", "none segments", "none whole"]
    assert said(take(2, TextualInversion()).plan) == "blocks whole"


def test_gradients_are_freed_at_once_before_anything_computes_again() -> None:
    free = DreamBooth(max_gradient_norm=0.0)
    assert list_said(free, card(24)) == [
        "none none",
        "none none fused",
        "none segments fused",
        "none whole fused",
    ]
    assert list_said(free, card(24, compiles=True))[:4] == [
        "none none compiled",
        "none none",
        "none none fused compiled",
        "none none fused",
    ]
    asked = DreamBooth(max_gradient_norm=0.0, fused_backward="yes", checkpointing="segments")
    assert list_said(asked, card(24)) == ["none segments fused"]
    for recipe in (
        DreamBooth(max_gradient_norm=0.0, fused_backward="no"),
        DreamBooth(max_gradient_norm=0.0, accumulation=2),
    ):
        assert list_said(recipe, card(24)) == ["none none", "none segments", "none whole"]
    half = FIRST.model_copy(update={"precision": "fp16"})
    for first, machine in ((half, card(24)), (FIRST, replace(card(24), processes=2))):
        assert not any(plan.fused_backward for plan in list_plans(first, free, machine))
    assert "gradients freed at once" in describe(Choice(list_plans(FIRST, asked, card(24))[0]), None)


def test_only_what_is_installed_is_considered() -> None:
    bare = list_plans(FIRST, DreamBoothLora(), card(24, frozenset()))
    assert {plan.quantization for plan in bare} == {"none"}
    some = list_said(DreamBoothLora(), card(24, frozenset({"torchao"})))
    # torchao keeps what it unpacks until the backward pass.
    assert [one for one in some if one.startswith("int8")] == ["int8 whole"]


def test_a_card_that_is_too_small_is_told_what_would_fit() -> None:
    machine = card(1.1, frozenset())
    recipe = DreamBoothLora(checkpointing="whole")
    with pytest.raises(TooSmall) as small:
        pick(list_plans(FIRST, recipe, machine), machine, forecast, as_forecast)
    mistake = refuse(small.value, machine, recipe, 1024, lambda side: int(side / 1024 * 1.5 * GIB))
    assert str(mistake) == (
        "Learning on this base takes at least 1.2 GiB of the graphics card's memory, of which 1.0 can be "
        "used: leave out --checkpointing, or pip install 'understudy[8bit]', which allows a quantised base, "
        "or take --resolution-px 512 (0.8 GiB), or take a smaller base (see understudy bases)."
    )
    hopeless = refuse(small.value, machine, DreamBoothLora(), 1024, lambda side: 9 * GIB)
    assert "resolution" not in str(hopeless)


def test_one_sentence_tells_the_choice() -> None:
    plan = list_plans(FIRST, DreamBoothLora(quantization="nf4", checkpointing="whole"), card(24))[0]
    assert describe(Choice(plan, int(2.6 * GIB), int(2.7 * GIB)), card(6)) == (
        "Learning on cuda in bf16, the base in nf4 by bitsandbytes, checkpointing whole, 2.7 GiB of the 6.0 "
        "that are free."
    )
    assert describe(Choice(FIRST.model_copy(update={"compiled": True})), None) == (
        "Learning on cuda in bf16, compiled."
    )


def test_a_pull_reads_weights_as_they_are() -> None:
    plans = list_plans(FIRST, DreamBoothLora(pull=0.1), card(24))
    assert {plan.quantization for plan in plans} == {"none"}
    assert plans[-1].offload == "blocks"
    with pytest.raises(ValueError, match="leave quantization out, or pull"):
        DreamBoothLora(pull=0.1, quantization="nf4")
