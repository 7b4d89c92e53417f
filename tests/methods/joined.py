"""What each of the processes does that `mpirun` starts: join, and say who it is."""

from __future__ import annotations

import sys

import torch
from torch import distributed

from understudy.methods.computing.processes import joining
from understudy.recipes import DreamBoothLora
from understudy.terminal import speaks


def main() -> None:
    """Say it in one line."""
    speaks_first = speaks()
    with joining(DreamBoothLora(), "cpu") as processes:
        total = torch.tensor(1.0)
        distributed.all_reduce(total)
        sys.stdout.write(f"{processes.number} of {processes.count}, {int(total)}, {speaks_first}\n")


if __name__ == "__main__":
    main()
