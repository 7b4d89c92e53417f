"""Where a base's parts lie, on a device that is only said to be there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from torch import nn

from tests.bases.toys import make_toy
from understudy.bases.base import Base
from understudy.bases.opening import open_base
from understudy.bases.placing import place_denoiser, place_readers, reading_words
from understudy.runs import Plan

CPU = Plan(device="cpu", precision="fp32", threads=1)
OFFLOADING = CPU.model_copy(update={"device": "cuda", "offload": "encoders"})
ALL = {"unet", "vae", "text_encoder", "text_encoder_2"}
READERS = {"text_encoder", "text_encoder_2"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return open_base(make_toy("sdxl", tmp_path_factory.mktemp("bases") / "sdxl"), CPU)


@pytest.fixture
def base(opened: Base) -> Iterator[Base]:
    parts = {name: opened.pipe.components[name] for name in ALL}
    yield opened
    for name, part in parts.items():
        setattr(opened.pipe, name, part)


@pytest.fixture
def places(base: Base, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Where each part was last sent; nothing is really moved."""
    names = {part: name for name, part in base.pipe.components.items() if isinstance(part, nn.Module)}
    found = dict.fromkeys(names.values(), "cpu")

    def send(part: Any, device: str) -> Any:
        found[names[part]] = device
        return part

    for kind in {type(part) for part in names}:
        monkeypatch.setattr(kind, "to", send)
    return found


def on_device(places: dict[str, str]) -> set[str]:
    return {name for name, place in places.items() if place == "cuda"}


def test_without_offload_all_is_there_at_once(base: Base, places: dict[str, str]) -> None:
    base = replace(base, plan=OFFLOADING.model_copy(update={"offload": "none"}))
    place_readers(base)
    assert on_device(places) == ALL
    with reading_words(base):
        pass
    place_denoiser(base)
    assert on_device(places) == ALL
    assert all(base.pipe.components[name] is not None for name in ALL)


@pytest.mark.parametrize("readers", ["device", "cpu"])
def test_they_take_turns(base: Base, places: dict[str, str], readers: str) -> None:
    base = replace(base, plan=OFFLOADING.model_copy(update={"readers": readers}))
    place_readers(base)
    assert on_device(places) == {"vae"}
    with reading_words(base):
        assert on_device(places) == ({"vae"} | READERS if readers == "device" else {"vae"})
    assert on_device(places) == {"vae"}
    place_denoiser(base)
    assert "unet" in on_device(places)
    assert {name for name in ALL if base.pipe.components[name] is not None} == {"unet"}


def test_what_steps_need_comes_with_the_denoiser(base: Base, places: dict[str, str]) -> None:
    base = replace(base, plan=OFFLOADING)
    place_readers(base)
    place_denoiser(base, ["text_encoder", "text_encoder_2"])
    assert on_device(places) >= {"unet"} | READERS
    assert base.pipe.vae is None


def test_what_will_be_written_is_kept_beside_the_device(base: Base, places: dict[str, str]) -> None:
    base = replace(base, plan=OFFLOADING)
    place_readers(base)
    place_denoiser(base, written=True)
    assert on_device(places) == {"unet"}
    assert all(base.pipe.components[name] is not None for name in ALL)


@pytest.mark.parametrize("offload", ["shards", "blocks"])
def test_blocks_wait_for_their_turn(base: Base, places: dict[str, str], offload: str) -> None:
    base = replace(base, plan=OFFLOADING.model_copy(update={"offload": offload}))
    place_readers(base)
    place_denoiser(base)
    assert "unet" not in on_device(places)


def test_what_was_quantised_on_the_card_is_not_moved(base: Base, places: dict[str, str]) -> None:
    quantised = {"quantization": "nf4", "quantizer": "bitsandbytes"}
    base = replace(base, plan=OFFLOADING.model_copy(update=quantised))
    place_readers(base)
    place_denoiser(base)
    assert places["unet"] == "cpu"  # where it was found
