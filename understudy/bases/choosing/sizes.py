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
    learning_gib=(0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.04, 0.04, 0.04, 0.02),
)

SD1 = Size(
    side_px=512,
    denoiser=0.8595,
    encoders=0.1231,
    vae=0.0837,
    drawing_gib=0.13,
    decoding_gib=0.38,
    learning_gib=(2.43, 2.15, 1.86, 2.20, 2.13, 2.13, 2.09, 2.02, 2.02, 0.78),
)

SD2 = Size(
    side_px=768,
    denoiser=0.8659,
    encoders=0.3404,
    vae=0.0837,
    drawing_gib=0.29,
    decoding_gib=0.84,
    learning_gib=(3.31, 2.71, 2.06, 3.06, 2.90, 2.90, 2.93, 2.78, 2.78, 1.57),
)

SDXL = Size(
    side_px=1024,
    denoiser=2.5675,
    encoders=0.8177,
    vae=0.0837,
    drawing_gib=0.31,
    decoding_gib=1.50,
    learning_gib=(10.44, 8.07, 5.64, 8.39, 6.01, 5.37, 7.48, 5.10, 4.46, 2.67),
)

SD35_MEDIUM = Size(
    side_px=1024,
    denoiser=2.4697,
    encoders=5.5800,
    vae=0.0838,
    drawing_gib=0.34,
    decoding_gib=1.50,
    learning_gib=(13.37, 9.85, 6.68, 11.32, 7.80, 5.60, 10.41, 6.89, 4.69, 3.10),
)

SD35_LARGE = Size(
    side_px=1024,
    denoiser=8.1463,
    encoders=5.5800,
    vae=0.0838,
    drawing_gib=0.50,
    decoding_gib=1.50,
    learning_gib=(30.03, 23.50, 17.29, 22.60, 16.07, 10.51, 19.32, 12.79, 7.23, 3.55),
)

FLUX = Size(
    side_px=1024,
    denoiser=11.9014,
    encoders=4.8854,
    vae=0.0838,
    drawing_gib=0.91,
    decoding_gib=1.50,
    learning_gib=(44.60, 34.72, 24.81, 33.63, 23.74, 13.83, 28.78, 18.89, 8.99, 4.66),
)

KLEIN_4B = Size(
    side_px=1024,
    denoiser=3.8755,
    encoders=4.0225,
    vae=0.0840,
    drawing_gib=1.14,
    decoding_gib=1.50,
    learning_gib=(23.74, 16.56, 9.20, 20.29, 13.11, 6.28, 18.71, 11.53, 4.70, 3.71),
)

KLEIN_9B = Size(
    side_px=1024,
    denoiser=9.0786,
    encoders=8.1907,
    vae=0.0840,
    drawing_gib=1.52,
    decoding_gib=1.50,
    learning_gib=(44.66, 31.87, 19.88, 36.48, 23.70, 11.70, 32.79, 20.00, 8.01, 6.07),
)

QWEN = Size(
    side_px=1328,
    denoiser=20.4304,
    encoders=8.2922,
    vae=0.1269,
    drawing_gib=1.20,
    decoding_gib=5.68,
    learning_gib=(79.86, 60.54, 41.86, 60.94, 41.63, 25.66, 52.62, 33.30, 17.34, 6.63),
)

ZIMAGE = Size(
    side_px=1024,
    denoiser=6.1549,
    encoders=4.0225,
    vae=0.0838,
    drawing_gib=0.96,
    decoding_gib=1.50,
    learning_gib=(41.97, 27.51, 13.87, 36.31, 21.85, 8.40, 33.80, 19.34, 5.89, 3.43),
)
