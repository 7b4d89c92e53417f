"""A word of Stable Diffusion XL's is read by two text encoders, and has vectors for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file

from tests.bases.toys import make_toy
from tests.toy_character import make_recipe, make_word_recipe
from understudy.bases.opening import open_base
from understudy.domain import Character, Scene
from understudy.exporting import export
from understudy.methods import learn, open_painter
from understudy.recipes import DrawSettings, DreamBoothLora
from understudy.runs import Plan, Run

SETTINGS = DrawSettings(steps=4, guidance=3.0)
PROMPTS = ["a <pip> sad", "a girl"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy("sdxl", tmp_path_factory.mktemp("bases") / "sdxl")


def pivoting(folder: Path) -> DreamBoothLora:
    update = {
        "vectors": 2,
        "word_steps": 5,
        "text_learning_rate": 1e-3,
        "averaging": 0.0,
        "prior_weight": 0.0,
    }
    return make_recipe(folder).model_copy(update=update)


@pytest.fixture(scope="module", params=[make_word_recipe, pivoting])
def learned(
    request: pytest.FixtureRequest, folder: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    return learn(pip, request.param(folder), tmp_path_factory.mktemp("runs") / "pip")


def test_both_encoders_learn_it_and_nothing_else_does(folder: Path) -> None:
    base = open_base(folder, Plan(device="cpu", precision="fp32", threads=1))
    before = base.encode_prompt(PROMPTS)
    first, second = base.add_word("<pip>", 3, "girl")
    assert (first.shape, second.shape) == ((3, 32), (3, 48))
    read = base.read_tokens(base.tokenize(PROMPTS), before)
    assert torch.allclose(read["hidden"], base.encode_prompt(PROMPTS)["hidden"], atol=1e-6)
    torch.autograd.backward(read["hidden"].square().sum() + read["pooled"].square().sum())
    for vectors in (first, second):
        assert vectors.grad is not None
        assert (vectors.grad.abs().sum(dim=1) > 0).all()
    with torch.no_grad():
        second.add_(torch.randn(second.shape, generator=torch.Generator().manual_seed(0)))
    after = base.encode_prompt(PROMPTS)
    assert torch.equal(after["pooled"][1], before["pooled"][1])
    assert not torch.allclose(after["pooled"][0], read["pooled"][0], atol=1e-3)


def test_plain_diffusers_draws_the_same_picture(learned: Run, folder: Path, tmp_path: Path) -> None:
    with open_painter(learned) as painter:
        (picture,) = painter([Scene("Pip sad", 7)], SETTINGS)
    assert picture.record["prompt_as_read"] == "<pip> sad"
    paths = export(learned, "diffusers", tmp_path / "pip.safetensors")
    word = load_file(paths[-1])
    assert word.keys() == {"clip_l", "clip_g"}
    pipe = StableDiffusionXLPipeline.from_pretrained(folder, add_watermarker=False)

    def plain() -> np.ndarray:
        generator = torch.Generator().manual_seed(7)
        drawn = pipe(
            "<pip> sad",
            num_inference_steps=4,
            guidance_scale=3.0,
            generator=generator,
            output_type="np",
            width=32,
            height=32,
        )
        pixels: np.ndarray = drawn.images[0] * 255
        return pixels

    unlearned = plain()
    if len(paths) > 1:
        pipe.load_lora_weights(tmp_path, weight_name=paths[0].name)
    readers = {"clip_l": ("text_encoder", "tokenizer"), "clip_g": ("text_encoder_2", "tokenizer_2")}
    for name, (encoder, tokenizer) in readers.items():
        parts = {"text_encoder": pipe.components[encoder], "tokenizer": pipe.components[tokenizer]}
        pipe.load_textual_inversion(word[name], token="<pip>", **parts)
    difference = np.abs(picture.pixels - plain()).mean()
    assert difference < 0.5
    assert difference < 0.5 * np.abs(picture.pixels - unlearned).mean()


def test_kohyas_form_has_both_encoders(folder: Path, pip: Character, tmp_path: Path) -> None:
    run = learn(pip, pivoting(folder), tmp_path / "run")
    layers = {name.partition("_text_model")[0] for name in load_file(export(run)[0]) if "_text_model" in name}
    assert layers == {"lora_te1", "lora_te2"}
