"""A base without weights, and one whose parts wait elsewhere than where they work, for every family."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import cpu_offload_with_hook

from tests.bases.toys import FAMILIES, make_toy
from understudy.bases.hollow import META, open_hollow, shape_prompts, shape_tokens
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.runs import Plan

CPU = Plan(device="cpu", precision="fp32", threads=1)


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    family: Family = request.param
    return make_toy(family, tmp_path_factory.mktemp("bases") / family)


def test_every_family_opens_without_weights(folder: Path) -> None:
    hollow = open_hollow(folder, CPU)
    assert {weight.device.type for weight in hollow.denoiser.parameters()} == {META}
    assert hollow.encode_image(torch.empty(1, 3, 32, 32, device=META)).mean.device.type == META


def test_tokens_and_prompts_about_nothing_are_those_of_the_whole(folder: Path) -> None:
    base, read = open_base(folder, CPU), shape_prompts(folder, 2, torch.float32)
    shaped, tokens = shape_tokens(folder, 2), base.tokenize(["Pip", ""])
    assert {name: one.shape for name, one in shaped.tensors.items()} == {
        name: one.shape for name, one in tokens.tensors.items()
    }
    if base.text_parts:
        hollow = open_hollow(folder, CPU, readers=base.text_parts)
        answer = hollow.read_tokens(shaped.to(META), read)
        assert {name: one.shape for name, one in answer.tensors.items()} == {
            name: one.shape for name, one in base.encode_prompt(["Pip", ""]).tensors.items()
        }


def test_pictures_are_encoded_where_an_offloading_pipeline_brings_the_autoencoder(folder: Path) -> None:
    """The meta device stands for a card: what is left on the processor cannot be computed with it."""
    base = open_base(folder, CPU)
    base = replace(base, plan=CPU.model_copy(update={"device": META}))
    cpu_offload_with_hook(base.pipe.vae, META)
    base.pipe.vae.to("cpu")
    assert base.encode_image(torch.zeros(1, 3, 32, 32)).mean.device.type == META
