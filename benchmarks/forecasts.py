"""What learning takes on known bases by each plan, forecast from shapes, without a graphics card.

    python -m benchmarks.forecasts [SDXL KLEIN_4B ...] [--side-px 1024]

prints a table in GiB: a LoRA of rank 16 on the attention, batch 1, Adam and a running average, prompts read
on the CPU, at the size that the base was trained on unless told. `benchmarks.base_figures` writes the same
for understudy/bases/choosing/sizes.py, where `understudy bases` reads it.
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

from benchmarks.base_shapes import PARTS, PUPPET, Parts
from understudy.bases.choosing.memory import LEARNING_PLANS, LearningPlan
from understudy.bases.layouts import LAYOUTS, Family, Layout
from understudy.methods.computing.forecast import Forecaster
from understudy.recipes import DreamBoothLora
from understudy.runs import Plan

GIB = 2**30
CARD = Plan(device="cuda", precision="bf16", threads=1, offload="encoders")
QUANTIZERS = {"bf16": None, "int8": "bitsandbytes", "nf4": "bitsandbytes"}
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


def forecast(name: str, side_px: int = 0) -> list[float]:
    """GiB at the peak, by each of `LEARNING_PLANS`."""
    parts = PARTS[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = PUPPET if name == "PUPPET" else Path(temporary)
        if name in FAMILIES:
            layout = next(layout for layout in LAYOUTS if layout.family == FAMILIES[name])
            write_configs(parts, layout, folder)
        recipe = DreamBoothLora(
            base=str(folder),
            batch=1,
            rank=16,
            min_rank=0,
            targets=("attention",),
            prior_weight=0.0,
            resolution_px=side_px or parts.side_px,
        )
        forecaster = Forecaster(folder, recipe)
        return [forecaster(as_plan(plan)).peak / GIB for plan in LEARNING_PLANS]


def as_plan(plan: LearningPlan) -> Plan:
    """As the planner has it, for a card in which the prompts' readers have no room."""
    how = {
        "checkpointing": plan.checkpointing,
        "quantization": "none" if plan.weights == "bf16" else plan.weights,
        "quantizer": QUANTIZERS[plan.weights],
        "offload": "blocks" if plan.by_blocks else "encoders",
        "readers": "cpu",
    }
    return Plan.model_validate(CARD.model_dump() | how)


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
    sys.stdout.write(
        f"| GiB | {' | '.join(map(str, LEARNING_PLANS))} |\n|---|{'---:|' * len(LEARNING_PLANS)}\n"
    )
    for name in args.names or FAMILIES:
        found = forecast(name, args.side_px)
        sys.stdout.write(f"| {name} | {' | '.join(f'{peak:.1f}' for peak in found)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
