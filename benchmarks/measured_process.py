"""Run a training script, or our command line, and note what each step of its optimiser took.

    python -m benchmarks.measured_process FIGURES.json script.py --its --options
    python -m benchmarks.measured_process --enough 60 FIGURES.json understudy learn --its --options

Both sides are measured by the same hook on torch's optimisers, so neither is changed. Where torchvision is
not installed, a script that imports it gets `benchmarks.torchvision_stand_in`.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
from pathlib import Path

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.step_meter import EnoughSteps, StepMeter
from benchmarks.torchvision_stand_in import stand_in_for_torchvision

GIB = 2**30


def make_small(gib: float) -> None:
    """Let torch's allocator, and whoever asks what is free, take the card for one with so much memory."""
    limit, real = int(gib * GIB), torch.cuda.mem_get_info
    torch.cuda.set_per_process_memory_fraction(limit / real()[1])

    def tell(device: object = None) -> tuple[int, int]:
        return min(real()[0], limit - torch.cuda.memory_reserved()), limit

    torch.cuda.mem_get_info = tell


def run(program: str, options: list[str]) -> None:
    """As it runs by itself."""
    sys.argv = [program, *options]
    if program == "understudy":
        runpy.run_module("understudy.cli", run_name="__main__", alter_sys=False)
    else:
        stand_in_for_torchvision()
        runpy.run_path(program, run_name="__main__")


def main() -> None:
    """Run what is asked for and write the figures when it ends, however it does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--enough", type=int, default=0, help="end after so many steps")
    parser.add_argument("--dropped", type=int, default=0, help="steps before the peak of those that count")
    parser.add_argument("--limit-gib", type=float, help="take the card for one with so much memory")
    parser.add_argument("figures", type=Path)
    parser.add_argument("program", help='a script, or "understudy"')
    parser.add_argument("options", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if args.limit_gib is not None:
        make_small(args.limit_gib)
    meter = StepMeter(args.dropped, args.enough, torch.cuda.is_available())
    register_optimizer_step_post_hook(meter.note)
    try:
        run(args.program, args.options)
    except EnoughSteps:
        pass
    finally:
        args.figures.write_text(json.dumps(meter.figures().as_json()))


if __name__ == "__main__":
    main()
