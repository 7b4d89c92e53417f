"""What is advised on which machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from understudy.bases.choosing.advice import advise, fit_drawing, fit_learning, look_at_bases, say_advice
from understudy.bases.choosing.known import KNOWN, KnownBase, find_known
from understudy.bases.choosing.machine import FREE_NOTEBOOK, Gpu, find_gpu
from understudy.bases.choosing.memory import LEARNING_PLANS, estimate_drawing, forecast_learning
from understudy.hub import Hub


def known(name: str) -> KnownBase:
    found = find_known(name)
    assert found is not None
    return found


def card(gib: float, has_bf16: bool = True) -> Gpu:
    return Gpu("a card", gib, has_bf16)


def test_without_a_card_puppet_is_advised_and_what_a_free_notebook_could_take() -> None:
    said = say_advice(None)
    assert "puppet learns on the processor" in said
    assert f"{FREE_NOTEBOOK.name} ({FREE_NOTEBOOK.memory_gib:.1f} GiB) could take sdxl, sd15." in said
    here = {one.base.name: one for one in look_at_bases(None, Hub(None, Path("nowhere")))}
    assert here["puppet"].learning
    assert here["puppet"].folder
    assert not here["sdxl"].learning
    assert not here["sdxl"].drawing


@pytest.mark.parametrize(
    ("gib", "name", "plan"),
    [
        (79.0, "klein", "bf16"),
        (31.5, "klein", "bf16"),
        (23.6, "klein", "bf16, checkpointing segments"),
        (11.99, "klein", "bf16, checkpointing"),
        (7.99, "sdxl", "bf16, checkpointing"),
        (3.9, "sd15", "bf16"),
    ],
)
def test_first_base_that_fits_unquantised_is_advised(gib: float, name: str, plan: str) -> None:
    assert advise(card(gib)).name == name
    assert f"{name} ({plan})" in say_advice(card(gib))


def test_too_small_a_card_leaves_the_embedded_base() -> None:
    assert advise(card(1.0)).name == "puppet"


def test_card_without_bf16_gets_what_computes_in_fp16() -> None:
    old = card(14.56, has_bf16=False)
    assert advise(old).name == "sdxl"
    assert "sdxl (fp16)." in say_advice(old)
    assert fit_learning(known("klein"), card(79, has_bf16=False)) is None
    assert fit_drawing(known("sdxl"), card(14.56, has_bf16=False))


@pytest.mark.parametrize("base", KNOWN[1:], ids=lambda base: base.name)
@pytest.mark.parametrize("gib", [4.0, 8.0, 12.0, 16.0, 24.0, 48.0, 80.0])
def test_what_is_said_to_fit_fits(base: KnownBase, gib: float) -> None:
    gpu = card(gib)
    learning, drawing = fit_learning(base, gpu), fit_drawing(base, gpu)
    assert learning is None or base.learns
    assert learning is None or forecast_learning(base.size, learning) < gib - 0.5
    assert drawing is None or estimate_drawing(base.size, drawing) < gib - 0.5


@pytest.mark.parametrize("base", KNOWN, ids=lambda base: base.name)
def test_what_learning_takes_is_known_of_every_base(base: KnownBase) -> None:
    assert len(base.size.learning_gib) == len(LEARNING_PLANS)


def test_card_of_this_machine_is_read_from_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    class About:
        name, total_memory, major = "Tesla T4", 15_637_086_208, 7

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_gpu() is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: About)
    found = find_gpu()
    assert found is not None
    assert found.memory_gib == pytest.approx(FREE_NOTEBOOK.memory_gib, abs=0.01)
    assert not found.has_bf16
