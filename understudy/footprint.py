"""What learning cost: time, memory, electricity and CO2e, summed over all sessions of a run.

Electricity is measured where the machine tells it: the processors through RAPL (/sys/class/powercap, of the
whole machine, whatever else it does), an NVIDIA card through NVML (optional package nvidia-ml-py). Elsewhere
it is estimated and says so. The library codecarbon does more, but brings over a dozen packages (pandas and
cryptography among them) for the same two readings.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Literal

from understudy.domain import UserError
from understudy.energy import EnergyMeter, open_meter
from understudy.events import Event, Notify, Step
from understudy.runs import Run, write_whole

FOOTPRINT_FILE = "footprint.json"
WORLD_GRID_INTENSITY = 475.0
"""g CO2e per kWh, the world's average (IEA, Global Energy & CO2 Status Report 2019)."""
WRITE_EVERY_S = 10.0
"""How much of the account a kill may cost at most."""
JOULES_PER_WH = 3600.0


@dataclass(frozen=True)
class Footprint:
    """What learning cost so far; `peak_memory_bytes` is the process's own, without a graphics card's."""

    seconds: float = 0.0
    peak_memory_bytes: int = 0
    energy_wh: float = 0.0
    co2e_g: float = 0.0
    energy_is: Literal["measured", "estimated"] = "measured"

    def plus(self, later: Footprint) -> Footprint:
        """Both sessions together: measured only if both are."""
        both_measured = self.energy_is == later.energy_is == "measured"
        return Footprint(
            self.seconds + later.seconds,
            max(self.peak_memory_bytes, later.peak_memory_bytes),
            self.energy_wh + later.energy_wh,
            self.co2e_g + later.co2e_g,
            "measured" if both_measured else "estimated",
        )

    @property
    def says(self) -> str:
        """One sentence for people."""
        minutes, seconds = divmod(round(self.seconds), 60)
        took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
        return (
            f"Learning took {took}, at most {self.peak_memory_bytes / 1e9:.1f} GB of memory and "
            f"{_short(self.energy_wh)} Wh ({self.energy_is}), about {_short(self.co2e_g)} g CO2e."
        )


def read_footprint(run: Run) -> Footprint | None:
    """What the run has cost so far; None where nothing is recorded, as in runs from before this was."""
    try:
        values = json.loads((run.folder / FOOTPRINT_FILE).read_text(encoding="utf-8"))
        values.pop("says")
        return Footprint(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


@contextmanager
def measuring(
    run: Run,
    notify: Notify,
    grid_intensity: float | None = None,
    open_energy: Callable[[str], EnergyMeter] = open_meter,
    share: float = 1.0,
) -> Iterator[Notify]:
    """Add what happens within to the run's `footprint.json`; what is within must tell the yielded listener.

    The file is written every ten seconds and at the end, also after an error; not at all where nothing was
    left to learn. `grid_intensity` is in g CO2e per kWh; `share` is the run's own part of the time and the
    electricity, where several are learned at once. Raises `UserError` where the intensity is no such number.
    """
    intensity = WORLD_GRID_INTENSITY if grid_intensity is None else grid_intensity
    if not (math.isfinite(intensity) and intensity >= 0):
        raise UserError(f"The grid intensity {intensity} is no amount: give grams of CO2e for a kWh.")
    before = read_footprint(run) or Footprint()
    checkpoint = run.newest_state()
    energy = open_energy(run.manifest.plan.device)
    began = written = time.monotonic()
    worked = False

    def write() -> None:
        joules = share * energy.read_joules()
        session = Footprint(
            share * (time.monotonic() - began),
            _peak_memory_bytes(),
            joules / JOULES_PER_WH,
            joules / JOULES_PER_WH / 1000 * intensity,
            "measured" if energy.is_measured else "estimated",
        )
        total = before.plus(session)
        content = json.dumps({**asdict(total), "says": total.says}, indent=1) + "\n"
        write_whole(run.folder / FOOTPRINT_FILE, content.encode())

    def listen(event: Event) -> None:
        nonlocal worked, written
        if isinstance(event, Step) and event.done < event.total:
            worked = True
        if worked and time.monotonic() - written >= WRITE_EVERY_S:
            write()
            written = time.monotonic()
        notify(event)

    try:
        yield listen
    finally:
        if worked or run.newest_state() != checkpoint:
            write()


def _peak_memory_bytes() -> int:
    """The most that this process held at once, since it began."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process(os.getpid()).memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


def _short(amount: float) -> str:
    """Two digits that matter: 0.043, 1.7, 250."""
    if amount <= 0:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(amount)))
    return f"{amount:.{digits}f}"
