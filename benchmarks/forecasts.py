"""What a step of learning takes on known bases by each plan, forecast from shapes, without a graphics card.

    python -m benchmarks.forecasts [SDXL KLEIN_4B ...] [--side-px 1024]

prints a table in GiB: a LoRA of rank 16 on the attention, batch 1, Adam and a running average, at the size
that the base was trained on unless told. Beside it a card needs what kernels take (see
understudy/bases/choosing/memory.py).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

from benchmarks.base_shapes import PARTS, Parts
from understudy.bases.layouts import LAYOUTS, Family, Layout
from understudy.methods.computing.forecast import Forecast, Forecaster
from understudy.recipes import DreamBoothLora
from understudy.runs import Plan

GIB = 2**30
CARD = Plan(device="cuda", precision="bf16", threads=1, offload="encoders")
PLANS: dict[str, dict[str, object]] = {
    "whole": {},
    "segments": {"checkpointing": "segments"},
    "checkpointing": {"checkpointing": "whole"},
    "int8": {"checkpointing": "whole", "quantization": "int8", "quantizer": "quanto"},
    "nf4": {"checkpointing": "whole", "quantization": "nf4", "quantizer": "bitsandbytes"},
    "blocks": {"checkpointing": "whole", "offload": "blocks"},
}
FAMILIES: dict[str, Family] = {
    "SD1": "sd1",
    "SD2": "sd1",
    "SDXL": "sdxl",
    "SD35_MEDIUM": "sd3",
    "SD35_LARGE": "sd3",
    "FLUX": "flux",
    "KLEIN_4B": "flux2",
    "KLEIN_9B": "flux2",
    "QWEN": "qwen",
    "ZIMAGE": "zimage",
}


def write_configs(parts: Parts, layout: Layout, folder: Path) -> None:
    """A folder in diffusers' layout with the parts' configs and no weights."""
    index = {"_class_name": layout.pipeline, **layout.parts}
    for name, (library, kind) in layout.parts.items():
        (folder / name).mkdir()
        if name.startswith("scheduler"):
            index[name] = (library, _scheduler(layout))
            _write(folder / name / "scheduler_config.json", {"_class_name": index[name][1]})
        elif kind.startswith(("CLIP", "T5", "Qwen")) and not name.startswith("tokenizer"):
            _write(folder / name / "config.json", {"max_position_embeddings": 77, "projection_dim": 1280})
    with torch.device("meta"):
        made: dict[str, Any] = {layout.denoiser: parts.denoiser(), "vae": parts.vae()}
    for name, network in made.items():
        _write(folder / name / "config.json", json.loads(network.to_json_string()))
    _write(folder / "model_index.json", index)


def forecast(name: str, side_px: int) -> dict[str, Forecast]:
    """By plan."""
    parts, family = PARTS[name], FAMILIES[name]
    layout = next(layout for layout in LAYOUTS if layout.family == family)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_configs(parts, layout, folder)
        recipe = DreamBoothLora(
            base=str(folder),
            batch=1,
            targets=("attention",),
            prior_weight=0.0,
            resolution_px=side_px or parts.side_px,
        )
        forecaster = Forecaster(folder, recipe)
        plans = {plan: Plan.model_validate(CARD.model_dump() | how) for plan, how in PLANS.items()}
        return {plan: forecaster(how) for plan, how in plans.items()}


def _scheduler(layout: Layout) -> str:
    _, kind = layout.parts["scheduler"]
    return "EulerDiscreteScheduler" if kind == "*" else kind


def _write(path: Path, config: object) -> None:
    path.write_text(json.dumps(config), encoding="utf-8")


def main() -> None:
    """Print a line for each base asked for, or for all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(FAMILIES)}")
    parser.add_argument("--side-px", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    sys.stdout.write(f"| GiB | {' | '.join(PLANS)} |\n|---|{'---:|' * len(PLANS)}\n")
    for name in args.names or FAMILIES:
        found = forecast(name, args.side_px)
        peaks = (one.weights + one.learned + one.step for one in found.values())
        sys.stdout.write(f"| {name} | {' | '.join(f'{peak / GIB:.1f}' for peak in peaks)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
