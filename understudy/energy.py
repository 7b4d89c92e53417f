"""How much electricity the machine has used: counters where it has them, an estimate elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

POWERCAP = Path("/sys/class/powercap")
WATTS_PER_CORE = 12.0
"""A busy core of any processor (Lannelongue et al. 2021, Green Algorithms, doi 10.1002/advs.202100707)."""
WATTS_PER_CARD = 250.0
"""A busy graphics card that tells nothing: the design power of a Tesla P100 or V100."""


class EnergyMeter(Protocol):
    """Counts from when it was opened."""

    @property
    def is_measured(self) -> bool:
        """Whether it reads counters of the machine, rather than estimating."""
        ...

    def read_joules(self) -> float:
        """Joules since it was opened; never less than before."""
        ...


@dataclass
class Counter:
    """A counter of the machine in some unit, that begins again at `wraps_at` (0: never).

    It must be read at least once a turn, which takes an hour or more.
    """

    read: Callable[[], int]
    joules_per_unit: float
    wraps_at: int = 0
    is_measured: bool = True
    _last: int = field(init=False)
    _sum: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._last = self.read()

    def read_joules(self) -> float:
        """Joules since it was opened."""
        now = self.read()
        passed = now - self._last
        self._sum += passed + self.wraps_at if passed < 0 else passed
        self._last = now
        return max(0, self._sum) * self.joules_per_unit


@dataclass
class Estimate:
    """Busy seconds, by a clock of them, times watts."""

    clock: Callable[[], float]
    watts: float
    is_measured: bool = False
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def read_joules(self) -> float:
        """Joules since it was opened."""
        return (self.clock() - self._began) * self.watts


@dataclass(frozen=True)
class Together:
    """Several meters as one: measured only if all of them are."""

    meters: Sequence[EnergyMeter]

    @property
    def is_measured(self) -> bool:
        """Whether every part is."""
        return all(meter.is_measured for meter in self.meters)

    def read_joules(self) -> float:
        """The sum."""
        return sum(meter.read_joules() for meter in self.meters)


def open_meter(device: str) -> EnergyMeter:
    """A meter of the processors and, for a `device` like "cuda:0", of that graphics card."""
    meters: list[EnergyMeter] = [*open_rapl(POWERCAP)] or [Estimate(time.process_time, WATTS_PER_CORE)]
    if device.startswith("cuda"):
        number = int(device.partition(":")[2] or 0)
        meters.append(_open_card(number) or Estimate(time.monotonic, WATTS_PER_CARD))
    return Together(meters)


def open_rapl(folder: Path) -> list[Counter]:
    """A counter for each processor package below `folder`; none where they cannot all be read.

    Since 2020 most Linux systems let only root read them (CVE-2020-8694).
    """
    try:
        zones = [zone for zone in folder.glob("intel-rapl:*") if _says(zone / "name").startswith("package")]
        return [
            Counter(partial(_number, zone / "energy_uj"), 1e-6, _number(zone / "max_energy_range_uj"))
            for zone in zones
        ]
    except (OSError, ValueError):
        return []


def _number(path: Path) -> int:
    return int(_says(path))


def _says(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()


def _open_card(number: int) -> Counter | None:
    """The energy counter of an NVIDIA card of 2017 or later, if its library is installed."""
    if find_spec("pynvml") is None:
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        listed = [int(part) for part in visible.split(",") if part.strip().isdigit()]
        card = pynvml.nvmlDeviceGetHandleByIndex(listed[number] if number < len(listed) else number)
        return Counter(lambda: int(pynvml.nvmlDeviceGetTotalEnergyConsumption(card)), 1e-3)
    except pynvml.NVMLError:
        return None
