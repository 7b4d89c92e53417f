"""What a launcher says of the processes that it started together. Needs no torch.

torchrun, and `accelerate launch --multi_gpu`, which calls it, count by RANK and WORLD_SIZE. For several CPUs
`accelerate launch --mpirun_hostfile` calls mpirun, and each MPI has names of its own: those that accelerate
1.15 reads (its utils/environment.py), in its order.
"""

from __future__ import annotations

import os

_NUMBER = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
_COUNT = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""Of torchrun, Intel MPI and MPICH, Open MPI, MVAPICH."""


def launched_number() -> int:
    """This process's place among those that were started together, from 0."""
    return _read(_NUMBER, 0)


def count_launched() -> int:
    """How many were started together; 1 where nothing says so."""
    return _read(_COUNT, 1)


def _read(names: tuple[str, ...], alone: int) -> int:
    return next((int(os.environ[name]) for name in names if os.environ.get(name)), alone)
