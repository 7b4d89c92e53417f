"""FLUX.1 at toy size: a double and two single blocks; "dev" is told the guidance, "schnell" is not."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from diffusers.loaders import lora_conversion_utils, lora_pipeline
from transformers import CLIPTextModel

from tests.bases.toy_readers import make_shifted_autoencoder, make_t5, make_t5_tokenizer
from tests.bases.toy_sdxl import make_text_config
from tests.toy_base import WIDTH, make_tokenizer

T5_WIDTH = 48
INNER = 48
CONVERT = "_convert_kohya_flux_lora_to_diffusers"
WIDTHS_OF_FLUX = "[3072, 3072, 3072, 12288]"


def make_toy_flux(folder: Path, told_guidance: bool = True) -> Path:
    """Write it with random weights."""
    tokenizer, tokenizer_2 = make_tokenizer(), make_t5_tokenizer()
    pipe = FluxPipeline(
        vae=make_shifted_autoencoder(),
        text_encoder=CLIPTextModel(make_text_config(tokenizer, WIDTH)),
        text_encoder_2=make_t5(tokenizer_2, T5_WIDTH),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer_2,
        transformer=_transformer(told_guidance),
        scheduler=FlowMatchEulerDiscreteScheduler(
            shift=3.0 if told_guidance else 1.0, use_dynamic_shifting=told_guidance
        ),
    )
    pipe.save_pretrained(folder)
    return folder


def _transformer(told_guidance: bool) -> FluxTransformer2DModel:
    return FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=3,
        joint_attention_dim=T5_WIDTH,
        pooled_projection_dim=WIDTH,
        guidance_embeds=told_guidance,
        axes_dims_rope=(4, 6, 6),
    )


def read_kohya_at_toy_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """diffusers' reader of kohya's form has FLUX's own widths written into it: the toy's in their place."""
    source = inspect.getsource(getattr(lora_conversion_utils, CONVERT))
    assert WIDTHS_OF_FLUX in source
    names: dict[str, Any] = dict(vars(lora_conversion_utils))
    exec(source.replace(WIDTHS_OF_FLUX, str([INNER, INNER, INNER, 4 * INNER])), names)
    monkeypatch.setattr(lora_pipeline, CONVERT, names[CONVERT])
