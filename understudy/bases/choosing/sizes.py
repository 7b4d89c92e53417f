"""How large known bases are and what a step on them takes. Needs no torch.

Written by `python -m benchmarks.base_figures`, which computes all of it from published configs; the parts'
sizes agree with those of the files on the Hub (docs/bases.md).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Count:
    """Values in billions: all that a part holds, and how many of them are linear layers, which alone are
    ever quantised."""

    billions: float
    linear: float


@dataclass(frozen=True)
class Size:
    """A base's parts, and in GiB what works beside their weights, at `side_px` and batch 1."""

    side_px: int
    """Side of the pictures that it was trained on."""
    denoiser: Count
    encoders: Count
    """All that read the prompt, together."""
    vae: Count
    adapter_millions: float
    """A LoRA of rank 16 on all of the denoiser's attention."""
    drawing_gib: float
    """One denoising step with guidance, which asks twice."""
    whole_gib: float
    """One learning step that keeps everything for its way back."""
    checkpointed_gib: float
    """One learning step that computes each block again on its way back."""
    encoding_gib: float
    """The autoencoder, a picture to latents."""
    decoding_gib: float
    """The autoencoder, latents to a picture."""


PUPPET = Size(
    side_px=192,
    denoiser=Count(0.0139, 0.0046),
    encoders=Count(0.0027, 0.0024),
    vae=Count(0.0038, 0.0000),
    adapter_millions=0.19,
    drawing_gib=0.00,
    whole_gib=0.00,
    checkpointed_gib=0.00,
    encoding_gib=0.00,
    decoding_gib=0.01,
)

SD1 = Size(
    side_px=512,
    denoiser=Count(0.8595, 0.2700),
    encoders=Count(0.1231, 0.0849),
    vae=Count(0.0837, 0.0021),
    adapter_millions=3.19,
    drawing_gib=0.13,
    whole_gib=1.09,
    checkpointed_gib=0.26,
    encoding_gib=0.31,
    decoding_gib=0.38,
)

SD2 = Size(
    side_px=768,
    denoiser=Count(0.8659, 0.3012),
    encoders=Count(0.3404, 0.2894),
    vae=Count(0.0837, 0.0021),
    adapter_millions=3.32,
    drawing_gib=0.29,
    whole_gib=2.35,
    checkpointed_gib=0.49,
    encoding_gib=0.71,
    decoding_gib=0.84,
)

SDXL = Size(
    side_px=1024,
    denoiser=Count(2.5675, 2.2326),
    encoders=Count(0.8177, 0.7157),
    vae=Count(0.0837, 0.0021),
    adapter_millions=23.22,
    drawing_gib=0.31,
    whole_gib=7.25,
    checkpointed_gib=0.67,
    encoding_gib=1.26,
    decoding_gib=1.50,
)

SD35_MEDIUM = Size(
    side_px=1024,
    denoiser=Count(2.4697, 2.2418),
    encoders=Count(5.5800, 5.3462),
    vae=Count(0.0838, 0.0021),
    adapter_millions=11.94,
    drawing_gib=0.34,
    whole_gib=9.00,
    checkpointed_gib=0.78,
    encoding_gib=1.26,
    decoding_gib=1.50,
)

SD35_LARGE = Size(
    side_px=1024,
    denoiser=Count(8.1463, 8.0537),
    encoders=Count(5.5800, 5.3462),
    vae=Count(0.0838, 0.0021),
    adapter_millions=23.58,
    drawing_gib=0.50,
    whole_gib=17.05,
    checkpointed_gib=1.41,
    encoding_gib=1.26,
    decoding_gib=1.50,
)

FLUX = Size(
    side_px=1024,
    denoiser=Count(11.9014, 11.8983),
    encoders=Count(4.8854, 4.7154),
    vae=Count(0.0838, 0.0021),
    adapter_millions=26.15,
    drawing_gib=0.91,
    whole_gib=27.56,
    checkpointed_gib=2.35,
    encoding_gib=1.26,
    decoding_gib=1.50,
)

KLEIN_4B = Size(
    side_px=1024,
    denoiser=Count(3.8755, 3.8755),
    encoders=Count(4.0225, 3.6333),
    vae=Count(0.0840, 0.0021),
    adapter_millions=18.68,
    drawing_gib=1.14,
    whole_gib=17.59,
    checkpointed_gib=1.91,
    encoding_gib=1.26,
    decoding_gib=1.50,
)

KLEIN_9B = Size(
    side_px=1024,
    denoiser=Count(9.0786, 9.0786),
    encoders=Count(8.1907, 6.9458),
    vae=Count(0.0840, 0.0021),
    adapter_millions=31.98,
    drawing_gib=1.52,
    whole_gib=29.77,
    checkpointed_gib=2.79,
    encoding_gib=1.26,
    decoding_gib=1.50,
)

QWEN = Size(
    side_px=1328,
    denoiser=Count(20.4304, 20.4248),
    encoders=Count(8.2922, 7.1998),
    vae=Count(0.1269, 0.0000),
    adapter_millions=47.19,
    drawing_gib=1.20,
    whole_gib=53.79,
    checkpointed_gib=3.93,
    encoding_gib=3.18,
    decoding_gib=5.68,
)

ZIMAGE = Size(
    side_px=1024,
    denoiser=Count(6.1549, 6.1539),
    encoders=Count(4.0225, 3.6333),
    vae=Count(0.0838, 0.0021),
    adapter_millions=16.71,
    drawing_gib=0.96,
    whole_gib=33.14,
    checkpointed_gib=2.24,
    encoding_gib=1.26,
    decoding_gib=1.50,
)
