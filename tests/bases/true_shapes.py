"""The configs of real bases in a folder without any weights, for what is known from shapes alone."""

from __future__ import annotations

import json
from pathlib import Path

from understudy.bases.layouts import LAYOUTS

SDXL_UNET: dict[str, object] = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 128,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 2,
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": 2048,
    "attention_head_dim": [5, 10, 20],
    "transformer_layers_per_block": [1, 2, 10],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
SDXL_VAE: dict[str, object] = {
    "_class_name": "AutoencoderKL",
    "sample_size": 1024,
    "latent_channels": 4,
    "layers_per_block": 2,
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "scaling_factor": 0.13025,
}

CLIP_L: dict[str, object] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
}
CLIP_BIG_G: dict[str, object] = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "projection_dim": 1280,
    "max_position_embeddings": 77,
}


def write_sdxl(folder: Path) -> Path:
    """SDXL 1.0's: 2.57 billion weights in its U-Net (Podell et al., arXiv 2307.01952, table 1)."""
    layout = next(layout for layout in LAYOUTS if layout.family == "sdxl")
    configs: dict[str, dict[str, object]] = {
        "unet/config.json": SDXL_UNET,
        "vae/config.json": SDXL_VAE,
        "text_encoder/config.json": CLIP_L,
        "text_encoder_2/config.json": CLIP_BIG_G,
        "scheduler/scheduler_config.json": {
            "_class_name": "EulerDiscreteScheduler",
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "beta_schedule": "scaled_linear",
            "steps_offset": 1,
        },
        "model_index.json": {
            "_class_name": layout.pipeline,
            **layout.parts,
            "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        },
    }
    for part in layout.parts:
        (folder / part).mkdir(parents=True)
    for name, config in configs.items():
        (folder / name).write_text(json.dumps(config))
    return folder
