"""How fast this machine multiplies matrices, as JSON.

    python -m benchmarks.machine_rate

In 10^12 operations a second on bf16 matrices of random numbers, 8192 x 8192 x 8192 on a graphics card, the
mean of many products after some.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

GIB = 2**30
SIDE, CPU_SIDE = 8192, 128
"""A processor's figure means nothing, and one that only imitates bf16 takes 0.2 s for a product of 512."""
WARM, TIMED = 10, 100


def measure_rate(device: str) -> float:
    """Operations a second of bf16 matrix products."""
    side = SIDE if device == "cuda" else CPU_SIDE
    one, other = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))
    for _ in range(WARM):
        one @ other
    seconds = _time_on_card(one, other) if device == "cuda" else _time_here(one, other)
    return 2 * side**3 * TIMED / seconds


def _time_on_card(one: torch.Tensor, other: torch.Tensor) -> float:
    kind: Any = torch.cuda.Event
    begin, end = (kind(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(TIMED):
        one @ other
    end.record()
    torch.cuda.synchronize()
    return float(begin.elapsed_time(end)) / 1000  # from milliseconds


def _time_here(one: torch.Tensor, other: torch.Tensor) -> float:
    began = time.perf_counter()
    for _ in range(TIMED):
        one @ other
    return time.perf_counter() - began


def describe_machine() -> dict[str, object]:
    """What figures are of."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name, gib = "the processor", 0.0
    if device == "cuda":
        name, gib = torch.cuda.get_device_name(), torch.cuda.mem_get_info()[1] / GIB
    return {
        "name": name,
        "memory_gib": gib,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "matmul_tflops": measure_rate(device) / 1e12,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(describe_machine()) + "\n")
