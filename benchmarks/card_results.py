"""What a row on a graphics card gave, kept as JSON after every row, and read as a table with the bars."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.card_rows import CASES, ROWS

JSON_FILE, TABLE_FILE = "results.json", "results.md"
TOY = "A toy's figures mean nothing."
SPEED_BAR, MATMUL_BAR, FORECAST_BAR = 1.5, 0.4, 0.1


@dataclass(frozen=True)
class Result:
    """Of one row: seconds and GiB, or in one sentence why there are none.

    `peak_gib` is of the whole process, `steps_peak_gib` of the steps that count, both as tensors;
    `reserved_gib` is what torch held then, and `used_gib` what was taken of the card by whatever. `dry_gib`
    is what our planner measured beforehand, `matmul_share` the step's share of the card's rate of matrix
    products, and `began` when the row was measured.
    """

    case: str
    row: str
    error: str = ""
    steps: int = 0
    step_s: float | None = None
    peak_gib: float | None = None
    steps_peak_gib: float | None = None
    reserved_gib: float | None = None
    used_gib: float | None = None
    weights: int | None = None
    tensors: int | None = None
    plan: str = ""
    note: str = ""
    forecast_gib: float | None = None
    dry_gib: float | None = None
    matmul_share: float | None = None
    took_s: float = 0.0
    began: str = ""

    @property
    def is_as_named(self) -> bool:
        """Whether it was measured at all, and with what its name says."""
        is_captured = "captured" in self.plan and not self.note
        return not self.error and (is_captured or not self.row.endswith("captured"))

    @property
    def forecast_error(self) -> float | None:
        """How far the forecast is from what was measured, as a share of that."""
        if self.forecast_gib is None or not self.peak_gib:
            return None
        return self.forecast_gib / self.peak_gib - 1


@dataclass
class Results:
    """All of a run, and what they are of."""

    folder: Path
    settings: Mapping[str, Any]
    machine: Mapping[str, Any] = field(default_factory=dict)
    operations: dict[str, int] = field(default_factory=dict)
    rows: dict[tuple[str, str], Result] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Keep a row, in the place of an earlier one of its name, and write everything down."""
        self.rows[result.case, result.row] = result
        self.write()

    def write(self) -> None:
        """Both files."""
        said = {
            "settings": self.settings,
            "machine": self.machine,
            "operations": self.operations,
            "rows": [asdict(one) for one in self.rows.values()],
        }
        (self.folder / JSON_FILE).write_text(json.dumps(said, indent=1) + "\n", "utf-8")
        (self.folder / TABLE_FILE).write_text("\n".join(self.lines()) + "\n", "utf-8")

    def take_up(self) -> None:
        """What an earlier call found with the same settings on the same machine."""
        path = self.folder / JSON_FILE
        if not path.is_file():
            return
        said = json.loads(path.read_text("utf-8"))
        if said["settings"] != self.settings or said["machine"].get("name") != self.machine.get("name"):
            return
        self.operations |= said["operations"]
        self.rows |= {(one["case"], one["row"]): Result(**one) for one in said["rows"]}

    def lacks(self, case: str, row: str) -> bool:
        """Whether nothing was measured of it, or only in vain."""
        found = self.rows.get((case, row))
        return found is None or bool(found.error)

    def lines(self) -> Iterator[str]:
        """A table for each base, and what it says of the bars."""
        facts = ", ".join(f"{name} {_say(value)}" for name, value in self.machine.items())
        yield f"Measured on: {facts}. Settings: {_say_settings(self.settings)}."
        for case in CASES:
            found = {row: self.rows[case, row] for row in ROWS if (case, row) in self.rows}
            if found:
                yield from ("", f"## {case}", "", *_table(found), "")
                said = [TOY] if self.settings["toy"] else say_bars(case, found)
                yield from (f"- {line}" for line in said)


def _say(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _say_settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_say(value)}" for name, value in settings.items())


def _table(found: Mapping[str, Result]) -> Iterator[str]:
    yield "| | a step, s | peak, GiB | of steps | reserved | forecast | off by | of matmul | plan |"
    yield "|---|" + "---:|" * 7 + "---|"
    for name, one in found.items():
        if one.error:
            yield f"| {name} | - | - | - | - | - | - | - | {one.error} |"
            continue
        figures = [
            _format(one.step_s, ".4f"),
            *(_format(gib, ".2f") for gib in (one.peak_gib, one.steps_peak_gib, one.reserved_gib)),
            _format(one.forecast_gib, ".2f"),
            _format(one.forecast_error, "+.1%"),
            _format(one.matmul_share, ".1%"),
        ]
        yield f"| {name} | {' | '.join(figures)} | {' '.join(filter(None, [one.plan, one.note]))} |"


def _format(figure: float | None, form: str) -> str:
    return "-" if figure is None else f"{figure:{form}}"


def say_bars(case: str, found: Mapping[str, Result]) -> Iterator[str]:
    """What the rows of a base say of each bar; nothing of one whose rows are not there."""
    ours = {name: one for name, one in found.items() if ROWS[name].is_ours and one.is_as_named}
    for peer, bare in (("diffusers", "ours"), ("diffusers-checkpointing", "ours-checkpointing")):
        for name in (bare, f"{bare}-captured"):
            if name in ours and peer in found and not found[peer].error:
                yield _compare(ours[name], found[peer])
    frugal = ours.get("ours-frugal")
    if frugal is not None and frugal.peak_gib is not None:
        most = CASES[case].frugal_gib
        yield f"frugal: {frugal.peak_gib:.2f} GiB ({_verdict(frugal.peak_gib <= most)}: at most {most:g})"
    for name in ("ours", "ours-captured"):
        share = ours[name].matmul_share if name in ours else None
        if share is not None:
            bar = f"{_verdict(share >= MATMUL_BAR)}: {MATMUL_BAR:.0%}"
            yield f"{name}: {share:.1%} of the matmul rate ({bar})"
    errors = {name: one.forecast_error for name, one in ours.items()}
    told = {name: error for name, error in errors.items() if error is not None}
    if told:
        worst = max(told, key=lambda name: abs(told[name]))
        bar = f"{_verdict(abs(told[worst]) <= FORECAST_BAR)}: {FORECAST_BAR:.0%}"
        yield f"forecast: off by {told[worst]:+.1%} at most, {worst} ({bar})"


def _compare(ours: Result, peer: Result) -> str:
    assert ours.step_s is not None
    assert ours.peak_gib is not None
    assert peer.step_s is not None
    assert peer.peak_gib is not None
    speed, memory = peer.step_s / ours.step_s, ours.peak_gib / peer.peak_gib
    told = f"{ours.row}: {speed:.2f} times the speed of {peer.row} in {memory:.2f} of its memory"
    verdict = _verdict(speed >= SPEED_BAR and memory <= 1)
    alike = "" if ours.weights == peer.weights else f"; {ours.weights} weights learn, not {peer.weights}"
    return f"{told} ({verdict}: {SPEED_BAR:g} at no more memory){alike}"


def _verdict(is_met: bool) -> str:
    return "bar met" if is_met else "bar missed"
