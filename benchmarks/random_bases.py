"""A base of a true shape with random weights, or its toy, as a folder that both sides of a comparison open.

    python -m benchmarks.random_bases SDXL runs/card/SDXL --device cuda

Random weights are enough for time and memory, never for quality. The folder is the family's toy (tests/bases)
whose networks are made anew in the shapes of `base_shapes.py`, in bf16, one after another, so that no more
than the largest of them is held at once: on a graphics card in seconds, on a processor in minutes.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from benchmarks.base_shapes import PARTS, Make, Parts
from tests.bases.toy_flux2 import make_toy_flux2
from tests.bases.toy_sdxl import make_toy_sdxl
from understudy.bases.layouts import LAYOUTS, Family

FAMILIES: Mapping[str, Family] = {"SDXL": "sdxl", "KLEIN_4B": "flux2"}
TOYS: Mapping[str, Callable[[Path], Path]] = {"SDXL": make_toy_sdxl, "KLEIN_4B": make_toy_flux2}
CLIP_TOKENS = 77
"""Of a prompt, as long as CLIP reads: the toy's are shorter."""


def write_toy(name: str, folder: Path) -> None:
    """The family's toy with random weights."""
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(0)
    TOYS[name](folder)


def write_true(name: str, folder: Path, device: str, parts: Parts | None = None) -> None:
    """The base of that shape, made on the device; other `parts` than its own are for tests."""
    write_toy(name, folder)
    for part, make in _list_networks(name, PARTS[name] if parts is None else parts).items():
        shutil.rmtree(folder / part)
        network = _make(make, device)
        network.save_pretrained(folder / part)
        del network
    for config in folder.glob("tokenizer*/tokenizer_config.json"):
        if FAMILIES[name] == "sdxl":
            said = json.loads(config.read_text("utf-8"))
            config.write_text(json.dumps({**said, "model_max_length": CLIP_TOKENS}), "utf-8")


def _list_networks(name: str, parts: Parts) -> dict[str, Make]:
    """What makes each network, by the name of its folder."""
    layout = next(layout for layout in LAYOUTS if layout.family == FAMILIES[name])
    readers = sorted(part for part in layout.parts if part.startswith("text_encoder"))
    return {
        layout.denoiser: parts.denoiser,
        "vae": parts.vae,
        **dict(zip(readers, parts.encoders, strict=True)),
    }


def _make(make: Make, device: str) -> torch.nn.Module:
    """In bf16 from the beginning, where fp32 might not have room."""
    own = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            network: torch.nn.Module = make()
    finally:
        torch.set_default_dtype(own)
    return network.to(torch.bfloat16)


def main() -> None:
    """Write one base."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=FAMILIES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    write_true(args.name, args.folder, args.device)


if __name__ == "__main__":
    main()
