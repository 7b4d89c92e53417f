"""Two processes of a module of the tests, as launchers start them, and what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--module")
# Of several CPUs, too: what it is meant for, graphics cards, it does not ask for.
ACCELERATE = (
    *("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"),
    *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "--module"),
)


def launch(
    launcher: Sequence[str], module: str, arguments: Sequence[str], env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `tests.methods.MODULE` in two processes of one thread each."""
    return subprocess.run(
        [sys.executable, "-m", *launcher, f"tests.methods.{module}", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
        | dict(env or {}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
