"""Whose LoRA a family's bases take: those with the same layers, taught from the same weights. Needs no torch.

A table, because shapes alone would let through what was never taught alike; shapes are asked as well, as
bases of one family may differ in them (FLUX.2 klein of 4B and of 9B, Stable Diffusion 1.5 and 2.1).

- FLUX.1 Kontext was trained on from FLUX.1 (arXiv 2506.15742), as FLUX.1 with the same layers. Replicate
  loads LoRA of FLUX.1 dev onto it: they "seem to work ok if inconsistently" (replicate/cog-flux-kontext#1).
- Within a family a LoRA goes from a base to its fine-tunes and to its distilled form: of Z-Image's to Turbo,
  but rather not back, users say; of a klein base to klein in four steps by the same reasoning, not tried.
- Qwen-Image-Edit is of Qwen-Image's shape, but nothing was found on LoRA of the one with the other.
"""

from __future__ import annotations

from collections.abc import Mapping

from understudy.bases.layouts import Family

TAKES: Mapping[Family, tuple[Family, ...]] = {
    "sd1": ("sd1",),
    "sdxl": ("sdxl",),
    "sd3": ("sd3",),
    "flux": ("flux", "kontext"),
    "kontext": ("kontext", "flux"),
    "flux2": ("flux2",),
    "qwen": ("qwen",),
    "qwen-edit": ("qwen-edit",),
    "zimage": ("zimage",),
}
"""By the family of a base, the families on whose bases a LoRA for it may have been learned."""


def find_takers(family: Family) -> list[Family]:
    """The families whose bases take a LoRA that was learned on one of this family."""
    return [taker for taker, taken in TAKES.items() if family in taken]
