"""Bases by the very shape of a model that other tools know, and what these call it. Needs no torch.

The names are those of kohya's sd-scripts and musubi-tuner, which write most of the adapters that there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from understudy.bases.catalog import read_config, read_layout
from understudy.bases.layouts import Family


@dataclass(frozen=True)
class KnownShape:
    """A model: its denoiser's config has `shape`; `architecture` and `version` are its names."""

    family: Family
    shape: Mapping[str, object]
    architecture: str
    version: str


_SD3 = {"joint_attention_dim": 4096, "attention_head_dim": 64}
_FLUX = {"num_layers": 19, "num_single_layers": 38, "num_attention_heads": 24, "joint_attention_dim": 4096}
_FLUX2 = {"in_channels": 128, "attention_head_dim": 128, "guidance_embeds": False}
KNOWN = (
    KnownShape(
        "sd1",
        {
            "block_out_channels": [320, 640, 1280, 1280],
            "cross_attention_dim": 768,
            "layers_per_block": 2,
            "in_channels": 4,
        },
        "stable-diffusion-v1",
        "sd_v1",
    ),
    KnownShape(
        "sdxl",
        {"block_out_channels": [320, 640, 1280], "cross_attention_dim": 2048, "in_channels": 4},
        "stable-diffusion-xl-v1-base",
        "sdxl_base_v1-0",
    ),
    KnownShape("sd3", {**_SD3, "num_layers": 24, "pos_embed_max_size": 192}, "stable-diffusion-3-m", "sd3"),
    KnownShape(
        "sd3", {**_SD3, "num_layers": 24, "pos_embed_max_size": 384}, "stable-diffusion-3-5-medium", "sd3"
    ),
    KnownShape("sd3", {**_SD3, "num_layers": 38}, "stable-diffusion-3-5-large", "sd3"),
    KnownShape("flux", {**_FLUX, "guidance_embeds": True}, "flux-1-dev", "flux1"),
    KnownShape("flux", {**_FLUX, "guidance_embeds": False}, "flux-1-schnell", "flux1"),
    KnownShape("kontext", _FLUX, "Flux.1-dev", "flux_kontext"),
    KnownShape("flux2", {**_FLUX2, "num_attention_heads": 24}, "Flux.2-klein-4b", "flux_2_klein_4b"),
    KnownShape("flux2", {**_FLUX2, "num_attention_heads": 32}, "Flux.2-klein-9b", "flux_2_klein_9b"),
    KnownShape("qwen", {"num_layers": 60, "joint_attention_dim": 3584}, "Qwen-Image", "qwen_image"),
    KnownShape(
        "qwen-edit",
        {"num_layers": 60, "joint_attention_dim": 3584},
        "Qwen-Image-Edit-Plus",
        "qwen_image_edit",
    ),
    KnownShape("zimage", {"dim": 3840, "n_layers": 30}, "Z-Image", "z_image"),
)


def find_shape(folder: Path) -> KnownShape | None:
    """The model whose shape the base in a folder has, if it is one of these."""
    layout = read_layout(folder)
    config = read_config(folder, layout.denoiser)
    return next(
        (known for known in KNOWN if known.family == layout.family and known.shape.items() <= config.items()),
        None,
    )
