"""LoRA in the names in which they are published: each adds to a base's weights what it says, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.bases.published_flux import OF_FLUX
from tests.bases.published_lora import (
    ALL,
    ALPHA,
    OF_QWEN,
    OF_TRANSFORMERS,
    OF_UNETS,
    RANK,
    Factors,
    Names,
    as_kohya,
    as_lightx2v,
    as_sd_scripts_of_sdxl,
    as_videox_fun,
    make_factors,
    what_is_added,
    write_lora,
)
from tests.bases.test_families import PLAN
from tests.bases.toy_flux import read_kohya_at_toy_size
from tests.bases.toys import at_toy_size, make_toy
from understudy.bases.base import Base
from understudy.bases.few_step import FewStep
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.methods.hastening import add_few_step

FORMS: list[tuple[Family, Sequence[str], Names]] = [
    ("sd1", OF_UNETS, as_kohya),
    ("sdxl", OF_UNETS, as_kohya),
    ("sdxl", OF_TRANSFORMERS, as_sd_scripts_of_sdxl),
    ("qwen", OF_QWEN, as_lightx2v),
    ("qwen-edit", OF_QWEN, as_lightx2v),
    ("zimage", ALL, as_videox_fun),
]
IDS = [f"{family}-{name.__name__}" for family, _, name in FORMS]


@pytest.fixture(autouse=True)
def at_the_size_of_toys() -> Iterator[None]:
    with at_toy_size():
        yield


def weights(base: Base) -> dict[str, Tensor]:
    """Of each layer, without what lies beside it."""
    found = {}
    for name, layer in base.denoiser.named_modules():
        own: Any = layer.base_layer if hasattr(layer, "base_layer") else layer
        if isinstance(own, nn.Linear | nn.Conv2d) and not name.endswith("base_layer") and "lora_" not in name:
            found[name] = own.weight.detach().clone()
    return found


def assert_adds(base: Base, family: Family, path: Path, added: dict[str, Tensor]) -> None:
    """Each layer's weights have what is said for it, and the others what they had."""
    before = weights(base)
    assert added.keys() <= before.keys()
    add_few_step(base, FewStep("mine", family, "", "", path.name, None, 4, 1.0), path, fuse=True)
    after = weights(base)
    assert after.keys() == before.keys()
    for name, was in before.items():
        expected = was + added[name] if name in added else was
        assert torch.allclose(after[name], expected, atol=1e-5), name
        assert (name in added) == (not torch.allclose(after[name], was, atol=1e-3)), name


@pytest.mark.parametrize(("family", "endings", "name"), FORMS, ids=IDS)
def test_a_few_step_lora_adds_what_it_says(
    family: Family, endings: Sequence[str], name: Names, tmp_path: Path
) -> None:
    base = open_base(make_toy(family, tmp_path / "toy"), PLAN)
    factors = make_factors(base.denoiser, endings)
    path = write_lora(factors, name, tmp_path / "mine.safetensors")
    assert_adds(base, family, path, what_is_added(factors))


def test_so_does_one_for_flux_in_kohyas_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As sd-scripts learns it: one rank for what is one layer there, all layers of all blocks."""
    read_kohya_at_toy_size(monkeypatch)
    base = open_base(make_toy("flux", tmp_path / "toy"), PLAN)
    factors, added = _of_flux(base)
    path = write_lora(factors, as_kohya, tmp_path / "mine.safetensors")
    assert_adds(base, "flux", path, added)


def _of_flux(base: Base) -> tuple[Factors, dict[str, Tensor]]:
    """By the published layers' names, and what they add by diffusers'."""
    random, own = torch.Generator().manual_seed(0), weights(base)
    factors: Factors = {}
    added: dict[str, Tensor] = {}
    for theirs, ours in OF_FLUX.items():
        for number in range(len(own)):
            parts = [one.format(number) for one in ours]
            if parts[0] not in own:
                continue
            outputs = [len(own[part]) for part in parts]
            down = torch.randn(RANK, own[parts[0]].shape[1], generator=random)
            up = torch.randn(sum(outputs), RANK, generator=random) * 0.1
            factors[theirs.format(number)] = (down, up)
            added |= dict(zip(parts, torch.split(ALPHA / RANK * up @ down, outputs), strict=True))
    return factors, added
