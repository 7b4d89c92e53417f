"""Both sides of a comparison with diffusers' train_dreambooth_lora.py: the same drawings, the same base.

The script is fetched by whoever measures, at the release that is installed:
https://github.com/huggingface/diffusers/blob/main/examples/dreambooth/train_dreambooth_lora.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean

from PIL import Image

from understudy.bases.catalog import find_base
from understudy.recipes import PUPPET
from understudy.world.heroes import hero
from understudy.world.portfolio import write_drawings

NAME = "Mo"
NOUN = "character"
SIZE_PX = 192
DROPPED = 20
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Timed:
    """What a process took; `began` is in seconds of the calendar."""

    began: float
    whole_s: float
    first_step_s: float
    step_s: float
    peak_bytes: int


def write_both(seed: int, out: Path) -> tuple[Path, Path]:
    """The drawings as ours reads them, and as the peer's does.

    It opens every file of a folder as an image and crops what is not square, so it gets the images alone, on
    squares of white paper.
    """
    ours, theirs = out / "drawings", out / "squares"
    write_drawings(hero(seed), ours)
    theirs.mkdir(parents=True, exist_ok=True)
    for path in sorted(ours.glob("*.png")):
        with Image.open(path) as image:
            drawing = image.convert("RGB")
        side = max(drawing.size)
        square = Image.new("RGB", (side, side), "white")
        square.paste(drawing, ((side - drawing.width) // 2, (side - drawing.height) // 2))
        square.save(theirs / path.name)
    return ours, theirs


def run_peer(script: Path, squares: Path, out: Path, options: Sequence[str]) -> Timed:
    """The peer's whole process, on the embedded base at its size."""
    base = str(find_base(PUPPET))
    return _run(
        out.with_suffix(".json"),
        str(script),
        *("--pretrained_model_name_or_path", base, "--instance_data_dir", str(squares)),
        *("--instance_prompt", f"a picture of {NAME}", "--output_dir", str(out), "--seed", "0"),
        *("--resolution", str(SIZE_PX), "--lr_warmup_steps", "0", *options),
    )


def run_ours(drawings: Path, run: Path, options: Sequence[str]) -> Timed:
    """The whole process of our command line."""
    learn = ("learn", str(drawings), "--name", NAME, "--noun", NOUN, "--run", str(run))
    return _run(run.with_suffix(".json"), "understudy", *learn, *options)


def measured_environment() -> dict[str, str]:
    """Of a measured process: it finds `benchmarks` from anywhere and asks nobody for a model."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(paths)}


def _run(figures_file: Path, *command: str) -> Timed:
    began, clock = time.time(), time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "benchmarks.measured_process", str(figures_file), *command],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=measured_environment(),
    )
    whole = time.monotonic() - clock
    figures = json.loads(figures_file.read_text())
    ends = figures["ends"]
    step = mean(after - before for before, after in pairwise(ends[DROPPED:]))
    return Timed(began, whole, ends[0] - clock, step, figures["peak_bytes"])
