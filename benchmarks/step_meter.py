"""What a step of any optimiser takes: its end, and the memory, of the process or of a graphics card."""

from __future__ import annotations

import time
import weakref
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer


class EnoughSteps(BaseException):
    """The steps that were to be measured are made; no program's own handler takes it for a failure."""


@dataclass(frozen=True)
class CardFigures:
    """Of a graphics card: when each step ended there, in seconds, and bytes.

    `peak` is the most that torch's allocator gave out at once since it was last asked to forget, which our
    planner does before its dry step; `steps_peak` the same while the steps were made that count, and
    `reserved` what it held for itself then; `used` is what was taken of the card at the end, by whatever.
    """

    ends: list[float]
    peak: int
    steps_peak: int
    reserved: int
    used: int


@dataclass(frozen=True)
class Figures:
    """Of one optimiser's steps: ends on the clock that all processes of a machine share, in seconds, the
    processor's time then, the most memory that the process held, and how much learns."""

    ends: list[float]
    processor_s: list[float]
    peak_bytes: int
    tensors: int
    weights: int
    card: CardFigures | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class StepMeter:
    """Notes every step, those of the newest optimiser alone: a dry step has one of its own.

    After `dropped` steps the card's peak begins anew; after `enough`, if that is not 0, `EnoughSteps` is
    raised. Nothing waits for the card.
    """

    dropped: int
    enough: int
    is_card: bool
    ends: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    peak: int = 0
    before: int = 0
    learned: tuple[int, int] = (0, 0)
    _of: weakref.ref[Optimizer] | None = None

    def note(self, optimizer: Optimizer, arguments: object, named: object) -> None:
        """A hook for the end of every optimiser's step."""
        if self._of is None or self._of() is not optimizer:
            self._begin(optimizer)
        self.ends.append(time.monotonic())
        self.processor.append(time.process_time())
        if self.is_card:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self.events.append(event)
            self.peak = torch.cuda.max_memory_allocated()
            if len(self.ends) == self.dropped:
                self.before = self.peak
                torch.cuda.reset_peak_memory_stats()
        else:
            self.peak = held_bytes()
        if len(self.ends) == self.enough:
            raise EnoughSteps

    def figures(self) -> Figures:
        """Of what was noted; waits for the card."""
        card = self._read_card() if self.is_card and self.events else None
        peak = 0 if self.is_card else self.peak
        return Figures(self.ends, self.processor, peak, *self.learned, card)

    def _begin(self, optimizer: Optimizer) -> None:
        self._of = weakref.ref(optimizer)
        learning = [weight for group in optimizer.param_groups for weight in group["params"]]
        self.learned = (len(learning), sum(weight.numel() for weight in learning))
        self.ends, self.processor, self.events, self.before = [], [], [], 0

    def _read_card(self) -> CardFigures:
        torch.cuda.synchronize()
        first, *_ = self.events
        free, total = torch.cuda.mem_get_info()
        return CardFigures(
            ends=[first.elapsed_time(event) / 1000 for event in self.events],  # from milliseconds
            peak=max(self.before, self.peak),
            steps_peak=self.peak,
            reserved=torch.cuda.max_memory_reserved(),
            used=total - free,
        )


def held_bytes() -> int:
    """The most memory that this process held at once, so far (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("/proc/self/status has no VmHWM: measure on Linux")
