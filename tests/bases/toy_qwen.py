"""Qwen-Image at toy size: a 5-D autoencoder of 4 px latents, packed two by two."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImageEditPlusPipeline,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
)
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
)

from tests.bases.toy_words import MAX_TOKENS, SPECIAL, make_tokenizer
from understudy.bases.catalog import INDEX_FILE

WIDTH = 32
OF_PICTURES = {
    "vision_start_token_id": "<|vision_start|>",
    "image_token_id": "<|image_pad|>",
    "vision_end_token_id": "<|vision_end|>",
    "video_token_id": "<|video_pad|>",
}
"""Tokens by what the reader's config calls their numbers."""
CHANNELS = 4
SAID = (
    "the image by detailing color shape size texture quantity text "
    "spatial relationships of objects and background"
)
TEMPLATE_WORDS = ("system", "user", "Describe", *(f" {word}" for word in SAID.split()))
"""One token each, as in the real one: the pipeline's template begins with the 34 tokens that it drops."""


def make_toy_qwen(folder: Path) -> Path:
    """Write it with random weights."""
    tokenizer = make_tokenizer(TEMPLATE_WORDS)
    QwenImagePipeline(
        scheduler=_scheduler(),
        vae=_autoencoder(),
        text_encoder=Qwen2_5_VLForConditionalGeneration(_text_config(len(tokenizer))),
        tokenizer=tokenizer,
        transformer=_transformer(),
    ).save_pretrained(folder)
    return folder


def make_toy_qwen_edit(folder: Path) -> Path:
    """The one that can be shown pictures; its processor's folder holds only what is read of it."""
    tokenizer = make_tokenizer(TEMPLATE_WORDS, (*SPECIAL, *OF_PICTURES.values()))
    QwenImageEditPlusPipeline(
        scheduler=_scheduler(),
        vae=_autoencoder(),
        text_encoder=Qwen2_5_VLForConditionalGeneration(_text_config(len(tokenizer), tokenizer)),
        tokenizer=tokenizer,
        processor=None,
        transformer=_transformer(),
    ).save_pretrained(folder)
    Qwen2VLImageProcessor().save_pretrained(folder / "processor")
    index = json.loads((folder / INDEX_FILE).read_text())
    index["processor"] = ["transformers", "Qwen2VLProcessor"]
    (folder / INDEX_FILE).write_text(json.dumps(index))
    return folder


def _transformer() -> QwenImageTransformer2DModel:
    return QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=4 * CHANNELS,
        out_channels=CHANNELS,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        axes_dims_rope=(4, 6, 6),
    )


def _autoencoder() -> AutoencoderKLQwenImage:
    """Its latents are neither centred nor of unit size."""
    vae = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=CHANNELS,
        dim_mult=[1, 2, 2],
        num_res_blocks=1,
        temperal_downsample=[False, True],
        latents_mean=[-0.7, -0.1, 0.2, 0.5],
        latents_std=[0.3, 0.4, 0.5, 0.6],
    )
    with torch.no_grad():  # latents that say something of the picture: a small deviation of their own
        vae.quant_conv.weight[CHANNELS:] = 0
        vae.quant_conv.bias[CHANNELS:] = -8
    return vae


def _scheduler() -> FlowMatchEulerDiscreteScheduler:
    """As Qwen-Image's own."""
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, max_image_seq_len=8192, max_shift=0.9, shift_terminal=0.02
    )


def _text_config(num_tokens: int, tokenizer: Qwen2Tokenizer | None = None) -> Qwen2_5_VLConfig:
    numbers: dict[str, int] = {}
    if tokenizer is not None:
        numbers = {name: tokenizer.convert_tokens_to_ids(token) for name, token in OF_PICTURES.items()}
    return Qwen2_5_VLConfig(
        **numbers,
        text_config={
            "vocab_size": num_tokens,
            "hidden_size": WIDTH,
            "intermediate_size": WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "max_position_embeddings": MAX_TOKENS,
            "bos_token_id": None,
            "eos_token_id": None,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6},
        },
        vision_config={
            "depth": 1,
            "hidden_size": WIDTH,
            "intermediate_size": WIDTH,
            "num_heads": 2,
            "out_hidden_size": WIDTH,
        },
    )
