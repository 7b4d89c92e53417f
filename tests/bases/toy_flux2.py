"""FLUX.2 klein at toy size: a reader with as many layers as are read, an autoencoder with statistics."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLFlux2,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
)
from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3ForCausalLM

from tests.bases.toy_words import make_tokenizer
from tests.toy_base import SIZE_PX

READ_LAYERS = (9, 18, 27)
"""Those that the pipeline reads; the one above the last is never asked for."""
READER_WIDTH = 16
LATENT_CHANNELS = 4


def make_toy_flux2(folder: Path, is_distilled: bool = False) -> Path:
    """Write it with random weights."""
    tokenizer = make_tokenizer()
    pipe = Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=_autoencoder(),
        text_encoder=Qwen3ForCausalLM(_reader_config(tokenizer)),
        tokenizer=tokenizer,
        transformer=_transformer(),
        is_distilled=is_distilled,
    )
    pipe.save_pretrained(folder)
    return folder


def _reader_config(tokenizer: Qwen2Tokenizer) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=READER_WIDTH,
        intermediate_size=2 * READER_WIDTH,
        num_hidden_layers=READ_LAYERS[-1] + 1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=512,
        initializer_range=0.3,  # so that words make a difference to layers without any training
    )


def _transformer() -> Flux2Transformer2DModel:
    return Flux2Transformer2DModel(
        in_channels=4 * LATENT_CHANNELS,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=len(READ_LAYERS) * READER_WIDTH,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )


def _autoencoder() -> AutoencoderKLFlux2:
    """Of 2-D latents, 2 px each, and so patches of 4 px."""
    vae = AutoencoderKLFlux2(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=SIZE_PX,
    )
    with torch.no_grad():  # latents that say something of the picture: a small deviation of their own
        vae.quant_conv.weight[LATENT_CHANNELS:] = 0
        vae.quant_conv.bias[LATENT_CHANNELS:] = -8
        vae.bn.running_mean.normal_(std=0.1)
        vae.bn.running_var.uniform_(0.05, 0.2)
    return vae
