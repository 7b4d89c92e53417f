"""Stable Diffusion 3.5 at toy size: its medium model's second attention in the first layers, T5 by choice."""

from __future__ import annotations

from pathlib import Path

from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from transformers import CLIPTextModelWithProjection

from tests.bases.toy_readers import make_shifted_autoencoder, make_t5, make_t5_tokenizer
from tests.bases.toy_sdxl import POOLED, WIDTHS, make_text_config
from tests.toy_base import make_tokenizer

JOINT_WIDTH = 96


def make_toy_sd3(folder: Path, with_t5: bool = True) -> Path:
    """Write it with random weights."""
    tokenizer, tokenizer_3 = make_tokenizer(), make_t5_tokenizer()
    pipe = StableDiffusion3Pipeline(
        vae=make_shifted_autoencoder(),
        text_encoder=CLIPTextModelWithProjection(make_text_config(tokenizer, WIDTHS[0])),
        text_encoder_2=CLIPTextModelWithProjection(make_text_config(tokenizer, WIDTHS[1])),
        text_encoder_3=make_t5(tokenizer_3, JOINT_WIDTH) if with_t5 else None,
        tokenizer=tokenizer,
        tokenizer_2=make_tokenizer(),
        tokenizer_3=tokenizer_3 if with_t5 else None,
        transformer=_transformer(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    pipe.save_pretrained(folder)
    return folder


def _transformer() -> SD3Transformer2DModel:
    return SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=3,
        attention_head_dim=16,
        num_attention_heads=3,
        joint_attention_dim=JOINT_WIDTH,
        caption_projection_dim=48,
        pooled_projection_dim=2 * POOLED,
        pos_embed_max_size=16,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
