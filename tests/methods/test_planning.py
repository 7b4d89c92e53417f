"""What a processor or a graphics card without bf16 computes in; the card is only said to be there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.bases.toys import make_toy
from understudy.bases.catalog import count_weight_bytes, count_weights, list_weighted
from understudy.bases.layouts import Family
from understudy.domain import Character, UserError
from understudy.events import Event, Note
from understudy.methods import hastening, learn, opening
from understudy.methods.computing import planning
from understudy.methods.computing.planning import choose_plan, note_imitated
from understudy.methods.hastening import plan_drawing
from understudy.methods.opening import open_base_of
from understudy.recipes import Faster, Precision, PromptOnly
from understudy.runs import Plan


@pytest.fixture(autouse=True)
def old_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "SMALL_BASE_BYTES", 0)
    monkeypatch.setattr(planning, "_check_device", lambda device: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**34, 2**34))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)


def test_what_is_too_large_to_draw_at_once_takes_turns_by_parts_or_by_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_toy("flux", tmp_path)
    whole = count_weight_bytes(folder)
    largest = max(count_weights(folder, part) for part in list_weighted(folder)) * 2  # in half precision
    for free, offload in ((whole * 2, "none"), (largest * 1.3, "encoders"), (largest, "blocks")):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, free))
        assert choose_plan(folder, "cuda", "fp16").offload == offload
    plan = choose_plan(folder, "cuda", "fp16")
    monkeypatch.setattr(hastening, "find_usable", lambda device: {"bitsandbytes"})
    monkeypatch.setattr(hastening, "has_compiler", lambda folder: True)
    assert plan_drawing(plan, folder, Faster(cache="taylor")).offload == "blocks"
    assert plan_drawing(plan, folder, Faster(quantization="nf4", compile=True)).offload == "encoders"
    with pytest.raises(UserError, match="come one by one are not compiled"):
        plan_drawing(plan, folder, Faster(compile=True))


def test_that_layers_come_one_by_one_is_told(
    pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_toy("flux", tmp_path / "base")
    run = learn(pip, PromptOnly(base=str(folder), description="a girl"), tmp_path / "run", device="cpu")
    plan = Plan(device="cpu", precision="fp32", threads=1)
    notes: list[Event] = []
    for offload in ("encoders", "blocks"):
        asked = plan.model_copy(update={"offload": offload})
        monkeypatch.setattr(opening, "choose_plan", lambda *rest, asked=asked, **named: asked)
        with open_base_of(run, "cpu", notes.append):
            assert [note.text for note in notes if isinstance(note, Note)] == [opening.BY_LAYERS] * (
                offload == "blocks"
            )


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_families_that_can_compute_in_fp16(family: Family, tmp_path: Path) -> None:
    assert choose_plan(make_toy(family, tmp_path), "cuda").precision == "fp16"


def test_families_that_cannot_do_so_only_where_it_is_asked_for(tmp_path: Path) -> None:
    folder = make_toy("flux", tmp_path)
    with pytest.raises(UserError, match=r"family flux .* take --base sdxl or --base sd15"):
        choose_plan(folder, "cuda")
    assert choose_plan(folder, "cuda", "fp16").precision == "fp16"
    assert choose_plan(folder, "cuda", dares_fp16=True).precision == "fp16"
    assert choose_plan(folder, "cpu").precision == "fp32"


@pytest.mark.parametrize(
    ("has", "precision", "is_told"),
    [
        ({"avx2": True, "avx512_bf16": False}, "bf16", True),
        ({"avx2": True, "avx512_bf16": False}, "fp32", False),
        ({"avx2": True, "avx512_bf16": True}, "bf16", False),
        ({"neon": True, "bf16": True}, "bf16", False),
    ],
)
def test_a_processor_that_only_imitates_bf16_is_named(
    has: dict[str, bool], precision: Precision, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)
    said: list[Event] = []
    note_imitated(choose_plan(None, "cpu", precision), said.append)
    assert [event for event in said if "leave --precision out" in str(event)] == said
    assert len(said) == is_told
