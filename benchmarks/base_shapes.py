"""The parts of known bases, from diffusers' and transformers' classes and the published configs; no weights.

Where a figure is not a class's default, it comes from the file named beside it. `huggingface/diffusers` is
read at 58eb52c, `Stability-AI/generative-models` at 0ad7de9, both as stored in August 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    Flux2Transformer2DModel,
    FluxTransformer2DModel,
    QwenImageTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
    ZImageTransformer2DModel,
)
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5EncoderModel,
)

from understudy.bases.catalog import PACKAGED
from understudy.recipes import PUPPET as PUPPET_NAME

PUPPET = PACKAGED[PUPPET_NAME]
Make = Callable[[], Any]
PROMPT_TOKENS = 128
"""Of a prompt where the family reads as many tokens as there are: a long sentence or two."""


@dataclass(frozen=True)
class Parts:
    """What a base is made of, and what its denoiser is asked with: `ask(denoiser, batch)`."""

    side_px: int
    denoiser: Make
    encoders: Sequence[Make]
    vae: Make
    ask: Callable[[nn.Module, int], object]
    latent_channels: int
    adapts: tuple[str, ...]
    """The ends of the names of the attention's layers, which get a LoRA."""
    has_frames: bool = False
    """Whether the autoencoder takes pictures as films of one frame."""
    latent_px: int = 8


def _empty(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.bfloat16, device="meta")


QKV = ("to_q", "to_k", "to_v", "to_out.0")
JOINT = (*QKV, "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
FUSED = (*JOINT, "to_qkv_mlp_proj", "attn.to_out")


# ---------------------------------------------------------------- encoders and autoencoders


def _clip_l() -> Any:
    """CLIP ViT-L/14's text part (openai/clip-vit-large-patch14: the class's defaults but for the words)."""
    return CLIPTextModel(
        CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
    )


def _open_clip_h() -> Any:
    """OpenCLIP ViT-H/14 without its last layer (diffusers, scripts of Stable Diffusion 2)."""
    return CLIPTextModel(
        CLIPTextConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16)
    )


def _open_clip_big_g() -> Any:
    """OpenCLIP ViT-bigG/14, from generative-models' sd_xl_base.yaml."""
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            hidden_size=1280,
            intermediate_size=5120,
            num_hidden_layers=32,
            num_attention_heads=20,
            projection_dim=1280,
        )
    )


def _t5_xxl() -> Any:
    """The encoder of T5 v1.1 XXL."""
    return T5EncoderModel(
        T5Config(
            d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64, feed_forward_proj="gated-gelu"
        )
    )


def _qwen3(width: int, inner: int, tied: bool) -> Any:
    return Qwen3ForCausalLM(
        Qwen3Config(
            hidden_size=width,
            intermediate_size=inner,
            num_hidden_layers=36,
            num_attention_heads=32,
            num_key_value_heads=8,
            head_dim=128,
            tie_word_embeddings=tied,
        )
    )


def _qwen3_4b() -> Any:
    """Qwen3-4B: width 2560 is a third of what FLUX.2 klein 4B reads and all of what Z-Image reads."""
    return _qwen3(2560, 9728, tied=True)


def _qwen3_8b() -> Any:
    """Qwen3-8B: width 4096 is a third of what FLUX.2 klein 9B reads."""
    return _qwen3(4096, 12288, tied=False)


def _qwen2_5_vl_7b() -> Any:
    """Qwen2.5-VL-7B with its eyes, as the pipelines keep it."""
    text = {
        "vocab_size": 152064,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
    }
    sight = {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 3584,
    }
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config=text, vision_config=sight, tie_word_embeddings=False)
    )


def _autoencoder(channels: int) -> Make:
    def make() -> Any:
        return AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=channels,
            use_quant_conv=channels == 4,
            use_post_quant_conv=channels == 4,
        )

    return make


# ---------------------------------------------------------------- families


def _unet(width: int, cells: int, **config: object) -> tuple[Make, Callable[[nn.Module, int], object]]:
    def make() -> Any:
        return UNet2DConditionModel(sample_size=cells, cross_attention_dim=width, **config)

    def ask(unet: nn.Module, batch: int) -> object:
        added = {"text_embeds": _empty(batch, 1280), "time_ids": _empty(batch, 6)} if width == 2048 else None
        latents = _empty(batch, 4, cells, cells)
        return unet(latents, _empty(batch), _empty(batch, 77, width), added_cond_kwargs=added)

    return make, ask


def _puppet() -> Parts:
    """The embedded base, as its own configs say."""

    def ask(unet: nn.Module, batch: int) -> object:
        return unet(_empty(batch, 16, 12, 12), _empty(batch), _empty(batch, 77, 256))

    def part(kind: Any, name: str) -> Make:
        return lambda: kind.from_config(kind.load_config(PUPPET / name))

    def encoder() -> Any:
        return CLIPTextModel(CLIPTextConfig.from_pretrained(PUPPET / "text_encoder"))

    unet, vae = part(UNet2DConditionModel, "unet"), part(AutoencoderKL, "vae")
    return Parts(192, unet, (encoder,), vae, ask, 16, QKV, latent_px=16)


def _sd3(**config: object) -> tuple[Make, Callable[[nn.Module, int], object]]:
    def make() -> Any:
        return SD3Transformer2DModel(qk_norm="rms_norm", **config)

    def ask(transformer: nn.Module, batch: int) -> object:
        latents, words = _empty(batch, 16, 128, 128), _empty(batch, 77 + 256, 4096)
        return transformer(latents, words, _empty(batch, 2048), _empty(batch))

    return make, ask


def _flux_transformer() -> Any:
    return FluxTransformer2DModel(guidance_embeds=True)


def _ask_flux(transformer: nn.Module, batch: int) -> object:
    return transformer(
        hidden_states=_empty(batch, 64 * 64, 64),
        encoder_hidden_states=_empty(batch, 512, 4096),
        pooled_projections=_empty(batch, 768),
        timestep=_empty(batch),
        img_ids=_empty(64 * 64, 3),
        txt_ids=_empty(512, 3),
        guidance=_empty(batch),
    )


def _flux2(width: int, **config: object) -> tuple[Make, Callable[[nn.Module, int], object]]:
    """Klein's config from diffusers' scripts/convert_flux2_to_diffusers.py; dev has the class's defaults."""

    def make() -> Any:
        return Flux2Transformer2DModel(joint_attention_dim=width, **config)

    def ask(transformer: nn.Module, batch: int) -> object:
        return transformer(
            hidden_states=_empty(batch, 64 * 64, 128),
            encoder_hidden_states=_empty(batch, 512, width),
            timestep=_empty(batch),
            img_ids=_empty(64 * 64, 4),
            txt_ids=_empty(512, 4),
            guidance=_empty(batch),
        )

    return make, ask


def _ask_qwen(transformer: nn.Module, batch: int) -> object:
    return transformer(
        hidden_states=_empty(batch, 83 * 83, 64),
        encoder_hidden_states=_empty(batch, PROMPT_TOKENS, 3584),
        timestep=_empty(batch),
        img_shapes=[[(1, 83, 83)]] * batch,
    )


def _ask_zimage(transformer: nn.Module, batch: int) -> object:
    latents = [_empty(16, 1, 128, 128) for _ in range(batch)]
    return transformer(latents, _empty(batch), [_empty(PROMPT_TOKENS, 2560) for _ in range(batch)])


def _parts() -> Mapping[str, Parts]:
    sd1 = _unet(768, 64, attention_head_dim=8)
    sd2 = _unet(1024, 96, attention_head_dim=[5, 10, 20, 20], use_linear_projection=True)
    sdxl = _unet(  # generative-models' sd_xl_base.yaml
        2048,
        128,
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=[5, 10, 20],
        transformer_layers_per_block=[1, 2, 10],
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )
    medium = _sd3(  # diffusers' transformer_sd3.py and scripts/convert_sd3_to_diffusers.py
        num_layers=24,
        num_attention_heads=24,
        caption_projection_dim=1536,
        pos_embed_max_size=384,
        dual_attention_layers=tuple(range(13)),
    )
    large = _sd3(num_layers=38, num_attention_heads=38, caption_projection_dim=2432, pos_embed_max_size=192)
    klein4 = _flux2(7680, num_layers=5, num_single_layers=20, num_attention_heads=24, guidance_embeds=False)
    klein9 = _flux2(12288, num_layers=8, num_single_layers=24, num_attention_heads=32, guidance_embeds=False)
    of_sd3 = (_clip_l, _open_clip_big_g, _t5_xxl)
    kl4, kl16 = _autoencoder(4), _autoencoder(16)
    return {
        "PUPPET": _puppet(),
        "SD1": Parts(512, sd1[0], (_clip_l,), kl4, sd1[1], 4, QKV),
        "SD2": Parts(768, sd2[0], (_open_clip_h,), kl4, sd2[1], 4, QKV),
        "SDXL": Parts(1024, sdxl[0], (_clip_l, _open_clip_big_g), kl4, sdxl[1], 4, QKV),
        "SD35_MEDIUM": Parts(1024, medium[0], of_sd3, kl16, medium[1], 16, JOINT),
        "SD35_LARGE": Parts(1024, large[0], of_sd3, kl16, large[1], 16, JOINT),
        "FLUX": Parts(1024, _flux_transformer, (_clip_l, _t5_xxl), kl16, _ask_flux, 16, JOINT),
        "KLEIN_4B": Parts(1024, klein4[0], (_qwen3_4b,), AutoencoderKLFlux2, klein4[1], 32, FUSED),
        "KLEIN_9B": Parts(1024, klein9[0], (_qwen3_8b,), AutoencoderKLFlux2, klein9[1], 32, FUSED),
        "QWEN": Parts(
            1328,
            QwenImageTransformer2DModel,
            (_qwen2_5_vl_7b,),
            AutoencoderKLQwenImage,
            _ask_qwen,
            16,
            JOINT,
            has_frames=True,
        ),
        "ZIMAGE": Parts(1024, ZImageTransformer2DModel, (_qwen3_4b,), kl16, _ask_zimage, 16, QKV),
    }


PARTS = _parts()
