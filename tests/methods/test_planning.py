"""What a graphics card without bf16, which is only said to be there, computes in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.bases.toys import make_toy
from understudy.bases.layouts import Family
from understudy.domain import UserError
from understudy.methods.computing import planning
from understudy.methods.computing.planning import choose_plan


@pytest.fixture(autouse=True)
def old_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "SMALL_BASE_BYTES", 0)
    monkeypatch.setattr(planning, "_check_device", lambda device: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**34, 2**34))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)


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
