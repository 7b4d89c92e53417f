"""Bases of true shapes with random weights, here of toy shapes, and how much a step on one computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLFlux2, Flux2Transformer2DModel, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, CLIPTextModel, CLIPTextModelWithProjection, Qwen3ForCausalLM

from benchmarks.base_shapes import QKV, Make, Parts
from benchmarks.card_rows import CASES, our_recipe
from benchmarks.random_bases import CLIP_TOKENS, write_toy, write_true
from benchmarks.step_arithmetic import count_operations
from understudy.bases.hollow import open_hollow, shape_prompts
from understudy.bases.opening import open_base
from understudy.methods.computing.dry_step import make_question
from understudy.methods.questions import ask
from understudy.runs import Plan

HALF = Plan(device="cpu", precision="bf16", threads=1)
FULL = HALF.model_copy(update={"precision": "fp32"})


def toy_parts(name: str, folder: Path) -> Parts:
    """Of a toy, as `base_shapes` has those of known bases."""

    def part(kind: type, inside: str) -> Make:
        return lambda: kind.from_config(kind.load_config(folder / inside))  # type: ignore[attr-defined]

    def reader(kind: type, inside: str, **known: int) -> Make:
        return lambda: kind(AutoConfig.from_pretrained(folder / inside, **known))

    if name == "SDXL":
        kinds = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}
        encoders = [
            reader(kind, inside, max_position_embeddings=CLIP_TOKENS) for inside, kind in kinds.items()
        ]
        unet, vae = part(UNet2DConditionModel, "unet"), part(AutoencoderKL, "vae")
        return Parts(32, unet, encoders, vae, lambda *asked: None, 4, QKV)
    flux2 = part(Flux2Transformer2DModel, "transformer")
    qwen = reader(Qwen3ForCausalLM, "text_encoder")
    return Parts(32, flux2, (qwen,), part(AutoencoderKLFlux2, "vae"), lambda *asked: None, 4, QKV)


@pytest.mark.parametrize("name", CASES)
def test_a_base_of_another_shape_opens_and_answers(name: str, tmp_path: Path) -> None:
    toy, folder = tmp_path / "toy", tmp_path / "true"
    write_toy(name, toy)
    write_true(name, folder, "cpu", toy_parts(name, toy))
    base = open_base(folder, HALF)
    assert {weight.dtype for weight in base.denoiser.parameters()} == {torch.bfloat16}
    prompts = base.encode_prompt(["a picture of Mo"])
    if name == "SDXL":
        assert prompts.tensors["hidden"].shape[1] == CLIP_TOKENS
    latents = base.encode_image(torch.zeros(1, 3, 32, 32)).mean
    answer = base.predict(latents.bfloat16(), torch.tensor([500]), prompts)
    assert answer.isfinite().all()


@dataclass
class Counted:
    """Operations forth, of linear layers and convolutions, and of attention's two products."""

    layers: int = 0
    attention: int = 0


@contextmanager
def counting(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    """Of what is asked within, by the shapes of the layers themselves."""
    counted, attend = Counted(), F.scaled_dot_product_attention

    def count(layer: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> None:
        weight: Tensor = layer.weight  # type: ignore[assignment]
        counted.layers += 2 * (answer.numel() // len(weight)) * weight.numel()

    def count_attention(query: Tensor, key: Tensor, *rest: Any, **named: Any) -> Tensor:
        counted.attention += 4 * query.numel() * key.shape[-2]
        return attend(query, key, *rest, **named)

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with monkeypatch.context() as patch:
        patch.setattr(F, "scaled_dot_product_attention", count_attention)
        yield counted
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("name", CASES)
def test_a_step_computes_what_its_layers_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forth and back, where attention has four products; what comes before all adapters needs no way back."""
    folder = tmp_path / "toy"
    write_toy(name, folder)
    hollow = open_hollow(folder, FULL)
    side = hollow.size_px
    latents = hollow.encode_image(torch.empty(1, 3, side, side, device="meta")).mean
    question = make_question(hollow, latents, shape_prompts(folder, 1, torch.float32), False)
    with torch.no_grad(), counting(hollow.denoiser, monkeypatch) as forth:
        ask(hollow, question.noisy, question.times, question.prompts)
    assert forth.attention
    recipe = our_recipe(folder, 0).model_copy(update={"rank": 1})
    found = count_operations(folder, recipe, HALF)
    assert 0.85 < found / (2 * forth.layers + 3 * forth.attention) < 1.05
    triple = count_operations(folder, recipe.model_copy(update={"batch": 3}), HALF)
    assert triple == pytest.approx(3 * found, rel=0.05)
