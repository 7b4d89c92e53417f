"""What the families with a U-Net share: the layers that adapt, and the autoencoder of 2-D latents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from understudy.bases.base import Latents
from understudy.recipes import Target

LORA_TARGETS: Mapping[Target, tuple[str, ...]] = {
    "attention": ("to_q", "to_k", "to_v", "to_out.0"),
    "cross-attention": ("attn2.to_q", "attn2.to_k", "attn2.to_v", "attn2.to_out.0"),
    "feed-forward": ("ff.net.0.proj", "ff.net.2"),
    "convolutions": (
        "conv1",
        "conv2",
        "conv_shortcut",
        "proj_in",
        "proj_out",
        "downsamplers.0.conv",
        "upsamplers.0.conv",
    ),
    "time": ("time_emb_proj", "add_embedding.proj"),
}
# Of a CLIP text encoder's layers: its attention, as every reader of such files knows them.
TEXT_LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")


def own_size_px(pipe: Any) -> int:
    """Side of the pictures that the U-Net in a pipeline was trained on."""
    return int(pipe.unet.config.sample_size * pipe.vae_scale_factor)


def foretold_layers(unet: Any) -> list[nn.Module]:
    """Nearly all that a U-Net computes, and its answer; see `Base.foretold_layers`."""
    costly = (ResnetBlock2D, BasicTransformerBlock, Downsample2D, Upsample2D)
    return [*(layer for layer in unet.modules() if isinstance(layer, costly)), unet.conv_out]


def encode_image(vae: Any, pixels_B3HW: Tensor) -> Latents:
    """Pictures in -1 ... 1 to latents, moved by the autoencoder's shift, if it has one, and scaled."""
    found = vae.encode(pixels_B3HW).latent_dist
    scale, shift = vae.config.scaling_factor, vae.config.shift_factor or 0.0
    return Latents(((found.mean - shift) * scale).float(), (found.std * scale).float())


def decode_latents(vae: Any, latents_BCHW: Tensor) -> Tensor:
    """The pictures (B, 3, H, W), about -1 ... 1, of latents in the scale that `encode_image` gives."""
    scale, shift = vae.config.scaling_factor, vae.config.shift_factor or 0.0
    pictures: Tensor = vae.decode(latents_BCHW / scale + shift).sample
    return pictures
