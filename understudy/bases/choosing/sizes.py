"""How large known bases are and what a step on them takes. Needs no torch.

Written by `python -m benchmarks.base_figures`, which computes all of it from published configs; the parts'
sizes agree with those of the files on the Hub (docs/bases.md).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """A base's parts in billions of values, and in GiB what works beside their weights when it draws, and all
    that learning takes, at `side_px` and batch 1."""

    side_px: int
    """Side of the pictures that it was trained on."""
    denoiser: float
    encoders: float
    """All that read the prompt, together."""
    vae: float
    drawing_gib: float
    """One denoising step with guidance, which asks twice."""
    decoding_gib: float
    """The autoencoder, latents to a picture."""
    learning_gib: tuple[float, ...]
    """All that learning takes at its peak, weights included, by each of `memory.LEARNING_PLANS`."""


PUPPET = Size(
    side_px=192,
    denoiser=0.0139,
    encoders=0.0027,
    vae=0.0038,
    drawing_gib=0.00,
    decoding_gib=0.01,
    learning_gib=(),
)

SD1 = Size(
    side_px=512,
    denoiser=0.8595,
    encoders=0.1231,
    vae=0.0837,
    drawing_gib=0.13,
    decoding_gib=0.38,
    learning_gib=(),
)

SD2 = Size(
    side_px=768,
    denoiser=0.8659,
    encoders=0.3404,
    vae=0.0837,
    drawing_gib=0.29,
    decoding_gib=0.84,
    learning_gib=(),
)

SDXL = Size(
    side_px=1024,
    denoiser=2.5675,
    encoders=0.8177,
    vae=0.0837,
    drawing_gib=0.31,
    decoding_gib=1.50,
    learning_gib=(),
)

SD35_MEDIUM = Size(
    side_px=1024,
    denoiser=2.4697,
    encoders=5.5800,
    vae=0.0838,
    drawing_gib=0.34,
    decoding_gib=1.50,
    learning_gib=(),
)

SD35_LARGE = Size(
    side_px=1024,
    denoiser=8.1463,
    encoders=5.5800,
    vae=0.0838,
    drawing_gib=0.50,
    decoding_gib=1.50,
    learning_gib=(),
)

FLUX = Size(
    side_px=1024,
    denoiser=11.9014,
    encoders=4.8854,
    vae=0.0838,
    drawing_gib=0.91,
    decoding_gib=1.50,
    learning_gib=(),
)

KLEIN_4B = Size(
    side_px=1024,
    denoiser=3.8755,
    encoders=4.0225,
    vae=0.0840,
    drawing_gib=1.14,
    decoding_gib=1.50,
    learning_gib=(),
)

KLEIN_9B = Size(
    side_px=1024,
    denoiser=9.0786,
    encoders=8.1907,
    vae=0.0840,
    drawing_gib=1.52,
    decoding_gib=1.50,
    learning_gib=(),
)

QWEN = Size(
    side_px=1328,
    denoiser=20.4304,
    encoders=8.2922,
    vae=0.1269,
    drawing_gib=1.20,
    decoding_gib=5.68,
    learning_gib=(),
)

ZIMAGE = Size(
    side_px=1024,
    denoiser=6.1549,
    encoders=4.0225,
    vae=0.0838,
    drawing_gib=0.96,
    decoding_gib=1.50,
    learning_gib=(),
)
