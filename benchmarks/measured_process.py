"""Run a training script, or our command line, and note when each step of its optimiser ended.

    python benchmarks/measured_process.py FIGURES.json script.py --its --options
    python benchmarks/measured_process.py FIGURES.json understudy learn --its --options

Both sides are measured by the same hook on torch's optimisers, so neither is changed. Where torchvision is
not installed, a script that imports it gets the transforms of `StandIn`, which do on PIL images what
torchvision does on them: diffusers' DreamBooth scripts use no others.
"""

from __future__ import annotations

import json
import runpy
import sys
import time
from collections.abc import Callable, Sequence
from enum import Enum
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

Transform = Callable[[object], object]


class StandIn:
    """torchvision.transforms, as far as the scripts use it; the names are torchvision's."""

    class InterpolationMode(Enum):
        """PIL's filters by torchvision's names."""

        NEAREST = Image.Resampling.NEAREST
        BILINEAR = Image.Resampling.BILINEAR
        BICUBIC = Image.Resampling.BICUBIC
        BOX = Image.Resampling.BOX
        HAMMING = Image.Resampling.HAMMING
        LANCZOS = Image.Resampling.LANCZOS

    class Compose:
        """One after the other."""

        def __init__(self, transforms: Sequence[Transform]) -> None:
            self.transforms = transforms

        def __call__(self, image: object) -> object:
            for transform in self.transforms:
                image = transform(image)
            return image

    class Resize:
        """The shorter side to `size`."""

        def __init__(self, size: int, interpolation: StandIn.InterpolationMode) -> None:
            self.size, self.filter = size, interpolation.value

        def __call__(self, image: Image.Image) -> Image.Image:
            shorter = min(image.size)
            sides = [int(self.size * side / shorter) for side in image.size]
            return image.resize((sides[0], sides[1]), self.filter)

    class CenterCrop:
        """The middle `size` x `size` pixels."""

        def __init__(self, size: int) -> None:
            self.size = size

        def __call__(self, image: Image.Image) -> Image.Image:
            left, top = (round((side - self.size) / 2) for side in image.size)
            return image.crop((left, top, left + self.size, top + self.size))

    class RandomCrop(CenterCrop):
        """Any `size` x `size` pixels."""

        def __call__(self, image: Image.Image) -> Image.Image:
            left, top = (int(torch.randint(0, side - self.size + 1, (1,))) for side in image.size)
            return image.crop((left, top, left + self.size, top + self.size))

    class ToTensor:
        """(height, width, 3) bytes to (3, height, width) in 0 ... 1."""

        def __call__(self, image: Image.Image) -> Tensor:
            return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float() / 255

    class Normalize:
        """Less the mean, over the deviation."""

        def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
            self.mean, self.std = (torch.tensor(values)[:, None, None] for values in (mean, std))

        def __call__(self, pixels: Tensor) -> Tensor:
            return (pixels - self.mean) / self.std


def stand_in_for_torchvision() -> None:
    """Let `from torchvision import transforms` find `StandIn`, where there is no torchvision."""
    if find_spec("torchvision") is not None:
        return
    # First, because it must find that there is none: it would use more of it than is here.
    from transformers.utils.import_utils import is_torchvision_available

    is_torchvision_available()
    vision, transforms = ModuleType("torchvision"), ModuleType("torchvision.transforms")
    for module in (vision, transforms):
        module.__spec__ = ModuleSpec(module.__name__, None)
    transforms.__dict__.update({name: value for name, value in vars(StandIn).items() if name[0].isupper()})
    vision.__dict__["transforms"] = transforms
    sys.modules |= {"torchvision": vision, "torchvision.transforms": transforms}


def peak_bytes() -> int:
    """The most memory that this process held at once, so far (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("/proc/self/status has no VmHWM: measure on Linux")


def main() -> None:
    """Run what is asked for and write the figures when it ends."""
    figures_file, program, *options = sys.argv[1:]
    ends: list[float] = []
    processor: list[float] = []
    peaks: list[int] = []

    def note(optimizer: object, arguments: object, named: object) -> None:
        ends.append(time.monotonic())  # the same clock in all processes of a machine
        processor.append(time.process_time())
        peaks.append(peak_bytes())

    register_optimizer_step_post_hook(note)
    try:
        if program == "understudy":
            sys.argv = ["understudy", *options]
            runpy.run_module("understudy.cli", run_name="__main__", alter_sys=False)
        else:
            stand_in_for_torchvision()
            sys.argv = [program, *options]
            runpy.run_path(program, run_name="__main__")
    finally:
        figures = {"ends": ends, "processor_s": processor, "peak_bytes": peaks[-1] if peaks else 0}
        Path(figures_file).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
