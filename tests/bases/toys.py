"""A toy of each family: the real diffusers classes with weights made on the spot, 32 px pictures."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

import torch

from tests.bases.toy_flux import make_toy_flux
from tests.bases.toy_sd3 import make_toy_sd3
from tests.bases.toy_sdxl import make_toy_sdxl
from tests.toy_base import make_toy_base
from understudy.bases.layouts import Family

FAMILIES: tuple[Family, ...] = ("sd1", "sdxl", "sd3", "flux")


def make_toy(family: Family, folder: Path, seed: int = 0) -> Path:
    """Write a random base of a family."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        match family:
            case "sd1":
                # Without what Stable Diffusion itself lacks, so that every reader knows all of its layers.
                return make_toy_base(folder, seed=seed, addition=None)
            case "sdxl":
                return make_toy_sdxl(folder)
            case "sd3":
                return make_toy_sd3(folder)
            case "flux":
                return make_toy_flux(folder)
            case "flux2" | "qwen" | "zimage":
                raise NotImplementedError(family)
            case _:
                assert_never(family)
