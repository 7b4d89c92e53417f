"""Learning on true shapes beside diffusers' own scripts, measured on this machine's graphics card.

    python -m benchmarks.on_card --scripts diffusers/examples/dreambooth --out runs/card
    python -m benchmarks.on_card --scripts diffusers/examples/dreambooth --out runs/toy --toy

SDXL and FLUX.2 klein 4B with random weights, a LoRA of rank 16 on the attention, batch 1, 1024 px, bf16: the
rows of `card_rows.py`, each in a process of its own. Of every row: seconds a step without the first
--dropped, by the card's own clock, their share of the card's rate of matrix products, and the peak of its
memory; of ours the plan and its forecast, too. The scripts are fetched by whoever measures, at the release
that is installed.

Writes results.json and results.md into --out after every row. A row that fails says why and the others go on;
the same call again measures what is missing. Run it on a card that nobody else uses. --toy runs all of it on
the processor with toys of the same classes: its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from benchmarks.card_process import Failed, Noted, find_notes, run_process
from benchmarks.card_results import TABLE_FILE, Result, Results
from benchmarks.card_rows import CASES, PRECISION, ROWS, Case, Row, our_command, our_recipe, peer_command
from benchmarks.peer_runs import write_both
from benchmarks.random_bases import write_toy
from benchmarks.step_arithmetic import count_operations
from understudy.methods.computing.plans import say
from understudy.runs import MANIFEST_FILE, Plan, open_run

GIB = 2**30
HERO = 30
TOY_PX = 32
NO_CARD = (
    "These figures need a graphics card, and this machine has none: run it on one, "
    "or add --toy to see all of it work on the processor."
)


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    scripts: Path | None
    out: Path
    steps: int
    dropped: int
    toy: bool
    row_limit_s: float
    limit_s: float


@dataclass(frozen=True)
class Place:
    """Where a base and the drawings lie, and how many pixels a side has."""

    base: Path
    drawings: Path
    squares: Path
    side_px: int


def measure_row(row: Row, case: Case, place: Place, asked: Asked) -> tuple[Noted, Path, str]:
    """What a row's process noted, the folder of what it learned, and what it said of its plan."""
    work = asked.out / "work" / f"{case.name}-{row.name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run = work / "run"
    if row.is_ours:
        program, options = our_command(row, place.base, place.drawings, run, place.side_px)
    else:
        script = find_script(asked.scripts, case)
        program, options = peer_command(
            row, case, script, place.base, place.squares, run, place.side_px, asked.steps
        )
    limits = ["--limit-gib", str(case.frugal_gib)] if row.is_frugal and not asked.toy else []
    figures = work / "figures.json"
    counts = ["--enough", str(asked.steps), "--dropped", str(asked.dropped)]
    process = ["benchmarks.measured_process", *counts, *limits, str(figures), program, *options]
    log = asked.out / "logs" / f"{case.name}-{row.name}.log"
    run_process(process, log, asked.row_limit_s, asked.toy)
    noted = json.loads(figures.read_text("utf-8"))
    if len(noted["ends"]) < asked.steps:
        raise Failed(f"It made {len(noted['ends'])} of {asked.steps} steps and ended.")
    return noted, run, find_notes(log) if row.is_ours else ""


def find_script(scripts: Path | None, case: Case) -> Path:
    """diffusers' script for a base."""
    if scripts is None:
        raise Failed(f"No folder with {case.script} was given: add --scripts.")
    if not (scripts / case.script).is_file():
        raise Failed(f"There is no {case.script} in {scripts}: give diffusers' examples/dreambooth.")
    return scripts / case.script


def read_result(
    row: Row, case: Case, noted: Noted, run: Path, dropped: int, rate: float, operations: int
) -> Result:
    """The figures of a row; `rate` is the machine's, in operations a second."""
    card = noted["card"]
    ends = noted["ends"] if card is None else card["ends"]
    step_s = mean(after - before for before, after in pairwise(ends[dropped - 1 :]))
    result = Result(
        case.name,
        row.name,
        steps=len(ends),
        step_s=step_s,
        peak_gib=(noted["peak_bytes"] if card is None else card["peak"]) / GIB,
        weights=noted["weights"],
        tensors=noted["tensors"],
        matmul_share=operations / step_s / rate,
    )
    known: dict[str, Any] = {}
    if card is not None:
        known |= {f"{name}_gib": card[name] / GIB for name in ("steps_peak", "reserved", "used")}
    if (run / MANIFEST_FILE).is_file():
        begun = open_run(run).manifest
        known["plan"] = say(begun.plan)
        for name, size in (("forecast_gib", begun.forecast_bytes), ("dry_gib", begun.measured_bytes)):
            known[name] = None if size is None else size / GIB
    return replace(result, **known)


def prepare(case: Case, asked: Asked) -> Place:
    """Write the drawings and the base, unless an earlier call did."""
    drawings = asked.out / "work" / "drawings", asked.out / "work" / "squares"
    if not all(folder.is_dir() for folder in drawings):
        write_both(HERO, asked.out / "work")
    base, is_there = asked.out / "work" / case.name, asked.out / "work" / f"{case.name}.written"
    if asked.toy:
        write_toy(case.name, base)
    elif not is_there.exists():
        log = asked.out / "logs" / f"{case.name}.log"
        process = ["benchmarks.random_bases", case.name, str(base), "--device", "cuda"]
        run_process(process, log, asked.row_limit_s, asked.toy)
        is_there.touch()
    return Place(base, *drawings, TOY_PX if asked.toy else case.side_px)


def count_case(place: Place) -> int:
    """Operations of a step, as it is asked for."""
    plan = Plan(device="cuda", precision=PRECISION, threads=1, offload="encoders")
    return count_operations(place.base, our_recipe(place.base, place.side_px), plan)


def measure(cases: Sequence[Case], rows: Sequence[Row], asked: Asked, results: Results) -> None:
    """All rows that are missing, until the time is up."""
    began = time.monotonic()
    for case in cases:
        missing = [row for row in rows if results.lacks(case.name, row.name)]
        if not missing:
            continue
        try:
            place = prepare(case, asked)
            results.operations[case.name] = count_case(place)
        except Failed as error:
            for row in missing:
                results.add(Result(case.name, row.name, f"The base could not be written: {error}"))
            continue
        for row in missing:
            if time.monotonic() - began > asked.limit_s:
                results.add(Result(case.name, row.name, "The time was up: the same call again measures it."))
                continue
            sys.stderr.write(f"{case.name}: {row.name}\n")
            results.add(_measure_one(row, case, place, asked, results))


def _measure_one(row: Row, case: Case, place: Place, asked: Asked, results: Results) -> Result:
    clock, began = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    try:
        noted, run, note = measure_row(row, case, place, asked)
        rate = results.machine["matmul_tflops"] * 1e12
        found = read_result(row, case, noted, run, asked.dropped, rate, results.operations[case.name])
        found = replace(found, note=note)
    except Failed as error:
        found = Result(case.name, row.name, str(error))
    return replace(found, took_s=time.monotonic() - clock, began=began)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for and print the table; 2 where there is no card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scripts", type=Path, help="diffusers' examples/dreambooth")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--steps", type=int, default=80, help="of each row [80]")
    parser.add_argument("--dropped", type=int, default=20, help="of these, before what counts [20]")
    parser.add_argument("--row-limit-s", type=float, default=300, help="seconds that a row may take [300]")
    parser.add_argument("--limit-s", type=float, default=1e9, help="after so many seconds no row begins")
    parser.add_argument("--toy", action="store_true")
    args = parser.parse_args(arguments)
    if not 1 <= args.dropped < args.steps - 1:
        parser.error("--dropped must leave two of the --steps at least")
    if not (args.toy or torch.cuda.is_available()):
        sys.stderr.write(f"{NO_CARD}\n")
        return 2
    asked = Asked(args.scripts, args.out, args.steps, args.dropped, args.toy, args.row_limit_s, args.limit_s)
    asked.out.mkdir(parents=True, exist_ok=True)
    settings = {"steps": asked.steps, "dropped": asked.dropped, "toy": asked.toy}
    told = run_process(["benchmarks.machine_rate"], asked.out / "logs" / "machine.log", 300, asked.toy)
    results = Results(asked.out, settings, json.loads(told))
    results.take_up()
    measure([CASES[name] for name in args.bases], [ROWS[name] for name in args.rows], asked, results)
    results.write()
    sys.stdout.write((asked.out / TABLE_FILE).read_text("utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
