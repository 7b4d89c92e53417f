"""The table of few-step LoRAs: what is found by which name, what is refused, and how a file is fetched."""

from __future__ import annotations

from pathlib import Path

import diffusers
import pytest

from tests.fake_hub import FakeHub, serving
from understudy.bases.choosing.known import KNOWN
from understudy.bases.fetching.adapters import fetch_file
from understudy.bases.few_step import FEW_STEP, FewStep, find_few_step
from understudy.bases.layouts import Family
from understudy.bases.shapes import KNOWN as SHAPES
from understudy.domain import UserError
from understudy.hub import Hub

IDS = [f"{row.family}-{row.name}" for row in FEW_STEP]
OTHER = "elsewhere"
"""A base that no table knows."""


@pytest.mark.parametrize("row", FEW_STEP, ids=IDS)
def test_every_row_is_whole(row: FewStep) -> None:
    assert (row.family, row.architecture) in {(shape.family, shape.architecture) for shape in SHAPES}
    assert row.repository.count("/") == 1
    assert row.file.endswith(".safetensors")
    assert row.licence is not None
    assert 1 <= row.steps <= 8
    assert row.guidance >= 1
    if row.sampler is not None:
        made = getattr(diffusers, row.sampler.kind)(**row.sampler.options)
        assert {name: made.config[name] for name in row.sampler.options} == row.sampler.options
    assert find_few_step(row.name, OTHER, row.family, None) == row


def test_no_two_of_a_base_have_one_name() -> None:
    names = [(row.family, row.architecture, row.name) for row in FEW_STEP]
    assert len(set(names)) == len(names)


def test_what_is_told_of_it_stands_in_the_documents() -> None:
    said = (Path(__file__).parents[2] / "docs" / "drawing-faster.md").read_text()
    for row in FEW_STEP:
        assert row.repository in said
        assert row.file in said


@pytest.mark.parametrize("family", ["sd3", "kontext", "flux2"])
def test_a_family_without_any_is_one_sentence(family: Family) -> None:
    refuse("no few-step LoRA that is known for this base: leave --fast out", "lcm", OTHER, family)


def test_a_wrong_name_is_told_the_right_ones() -> None:
    refuse("no few-step LoRA 'turbo' for this base: take lcm or lightning or hyper", "turbo", OTHER, "sdxl")


def test_the_base_of_the_package_has_none() -> None:
    refuse("puppet is too small for a few-step LoRA", "lcm", "puppet", "sd1")


@pytest.mark.parametrize("base", [known for known in KNOWN if known.steps <= 8], ids=lambda base: base.name)
def test_a_base_of_few_steps_needs_none(base: object) -> None:
    (known,) = (one for one in KNOWN if one is base)
    refuse(f"{known.name} draws in {known.steps} steps as it is", "turbo", known.name, known.family)


def test_a_file_is_taken_as_what_its_name_says(tmp_path: Path) -> None:
    for name in ("sdxl_lightning_4step_lora.safetensors", "pytorch_lora_weights.safetensors"):
        (tmp_path / name).touch()
    known = find_few_step(str(tmp_path / "sdxl_lightning_4step_lora.safetensors"), OTHER, "sdxl", None)
    assert (known.name, known.steps, known.sampler and known.sampler.kind) == (
        "lightning",
        4,
        "EulerDiscreteScheduler",
    )
    other = find_few_step(str(tmp_path / "pytorch_lora_weights.safetensors"), OTHER, "flux2", None)
    assert (other.sampler, other.source) == (None, "pytorch_lora_weights.safetensors")
    refuse("There is no file", str(tmp_path / "none.safetensors"), OTHER, "sdxl")
    refuse("may run code", str(tmp_path / "one.ckpt"), OTHER, "sdxl")


def test_it_is_fetched_once_and_told_of(tmp_path: Path) -> None:
    row = FEW_STEP[0]
    with serving(FakeHub({row.repository: {row.file: b"weights", "other.safetensors": b""}})) as served:
        hub = Hub(served.url, tmp_path)
        path = fetch_file(row.repository, row.file, hub=hub)
        assert path.read_bytes() == b"weights"
        assert served.fetched == [row.file]
        with pytest.raises(UserError, match=r"no longer has gone\.safetensors"):
            fetch_file(row.repository, "gone.safetensors", hub=hub)
    assert fetch_file(row.repository, row.file, hub=hub) == path  # without the Hub


def refuse(said: str, name: str, base: str, family: Family) -> None:
    with pytest.raises(UserError, match=said) as mistake:
        find_few_step(name, base, family, None)
    assert "\n" not in str(mistake.value)
