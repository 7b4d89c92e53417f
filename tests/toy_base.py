"""A base of the real classes, small enough to be made on the spot: 32 px pictures, 8x8x4 latents."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

SIZE_PX = 32
WIDTH = 32
TOKENS = 40


def make_toy_base(
    folder: Path, prediction: str = "v_prediction", seed: int = 0, addition: str | None = "text"
) -> Path:
    """Write a random base in Stable Diffusion 1.x layout, with all that the embedded base may have.

    Without an `addition` to the time it has only layers that Stable Diffusion 1.5 has as well.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tokenizer = make_tokenizer()
        pipe = StableDiffusionPipeline(
            vae=make_autoencoder(),
            text_encoder=CLIPTextModel(_text_config(tokenizer)),
            tokenizer=tokenizer,
            unet=_unet(addition),
            scheduler=_scheduler(prediction),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipe.save_pretrained(folder)
    return folder


def make_tokenizer() -> CLIPTokenizer:
    """Letter by letter: CLIP's byte alphabet without merges."""
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=TOKENS
    )


def _text_config(tokenizer: CLIPTokenizer) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _unet(addition: str | None) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=8,
        addition_embed_type=addition,
        addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
    )


def make_autoencoder() -> AutoencoderKL:
    """Of 2-D latents, 4 px each."""
    vae = AutoencoderKL(
        block_out_channels=(16, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=SIZE_PX,
        scaling_factor=4.0,
    )
    with torch.no_grad():  # latents that say something of the picture: a small deviation of their own
        vae.quant_conv.weight[4:] = 0
        vae.quant_conv.bias[4:] = -8
    return vae


def _scheduler(prediction: str) -> DPMSolverMultistepScheduler:
    return DPMSolverMultistepScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        rescale_betas_zero_snr=prediction == "v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,
    )
