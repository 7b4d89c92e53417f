"""A toy of each family: the real diffusers classes with weights made on the spot, 32 px pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import assert_never

import pytest
import torch
from diffusers import FluxKontextPipeline

from tests.bases.toy_flux import make_toy_flux
from tests.bases.toy_flux2 import make_toy_flux2
from tests.bases.toy_qwen import make_toy_qwen, make_toy_qwen_edit
from tests.bases.toy_sd3 import make_toy_sd3
from tests.bases.toy_sdxl import make_toy_sdxl
from tests.bases.toy_zimage import make_toy_zimage
from tests.toy_base import make_toy_base
from understudy.bases import catalog
from understudy.bases.layouts import Family

FAMILIES: tuple[Family, ...] = (
    "sd1",
    "sdxl",
    "sd3",
    "flux",
    "kontext",
    "flux2",
    "qwen",
    "qwen-edit",
    "zimage",
)


@contextmanager
def at_toy_size() -> Iterator[None]:
    """What no config says of a family's size is as small as the toys: inside, they are 32 px."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "QWEN_SIDE", 8)
        yield


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
            case "kontext":
                return make_toy_flux(folder, kind=FluxKontextPipeline)
            case "flux2":
                return make_toy_flux2(folder)
            case "qwen":
                return make_toy_qwen(folder)
            case "qwen-edit":
                return make_toy_qwen_edit(folder)
            case "zimage":
                return make_toy_zimage(folder)
            case _:
                assert_never(family)
