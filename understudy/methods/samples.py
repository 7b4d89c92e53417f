"""Pictures along the way: a sheet of what the weights draw just now, so that a failure shows early."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from understudy.domain import Pixels
from understudy.grids import Cell, draw_grid
from understudy.provenance import COMPOSITE, write_picture
from understudy.runs import Run

SAMPLES_FOLDER = "samples"
NUM_SAMPLES = 6


def to_pixels(pictures_B3HW: Tensor) -> Pixels:
    """Pictures in -1 ... 1 to bytes (B, H, W, 3)."""
    scaled = (pictures_B3HW.detach().float().clamp(-1, 1) + 1) * 127.5
    pixels: Pixels = scaled.round().permute(0, 2, 3, 1).cpu().numpy().astype(np.uint8)
    return pixels


def write_samples(run: Run, step: int, pictures_B3HW: Tensor) -> None:
    """Write pictures in -1 ... 1, drawn after `step`, side by side into the run's folder `samples`."""
    sheet = draw_grid([Cell(f"step {step}", tuple(to_pixels(pictures_B3HW)))])
    record = {"run": run.folder.resolve().name, "method": run.recipe.method, "learned_steps": str(step)}
    write_picture(run.folder / SAMPLES_FOLDER / f"{step:06d}.png", np.asarray(sheet), record, COMPOSITE)
