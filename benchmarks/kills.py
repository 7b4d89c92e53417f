"""Kill `learn` at random moments on the embedded base, go on with the same command, compare the last weights.

    python benchmarks/kills.py --out runs/kills --kills 10 --steps 200

Every kill is SIGKILL, after a first checkpoint and at a moment drawn from --seed. Prints whether the last
checkpoint's hashes equal those of a run that was never killed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from understudy.methods.learned_decoder import hash_decoder
from understudy.runs import Run, open_run
from understudy.world.heroes import hero
from understudy.world.portfolio import write_drawings


def learn_command(drawings: Path, run: Path, steps: int) -> list[str]:
    """The command line that is killed and repeated."""
    options = ["--name", "Mo", "--run", str(run), "--steps", str(steps), "--prior-pictures", "8"]
    return [sys.executable, "-m", "understudy.cli", "learn", str(drawings), *options]


def hashes(run: Path) -> dict[str, str]:
    """Hash by file of the newest checkpoint, and of the decoder."""
    newest = open_run(run).newest_state()
    return {**newest.sha256, **hash_decoder(Run(run))} if newest else {}


def newest_step(run: Path) -> int:
    """The step of the newest whole checkpoint, 0 where there is none."""
    steps = [int(folder.name) for folder in run.glob("checkpoints/[0-9]*") if folder.name.isdigit()]
    return max(steps, default=0)


def kill_some(command: list[str], run: Path, kills: int, rng: random.Random, longest_s: float) -> list[int]:
    """Start and kill the command `kills` times; returns the steps of the newest checkpoint at each kill."""
    found: list[int] = []
    while len(found) < kills:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Not before it has gone on from the last kill, or all kills would fall on the same step.
        while newest_step(run) <= (found[-1] if found else 0) and process.poll() is None:
            time.sleep(0.2)
        time.sleep(rng.uniform(0, longest_s))
        if process.poll() is not None:
            raise SystemExit("learn ended before it was killed often enough: give more --steps")
        process.send_signal(signal.SIGKILL)
        process.wait()
        found.append(newest_step(run))
    return found


def main() -> None:
    """Run the comparison and print one line for each kill and one for the outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--longest-s", type=float, default=15.0, help="longest wait before a kill")
    parser.add_argument("--hero", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.hero >= 1000:
        parser.error("heroes from 1000 on are for judging only")
    drawings, whole, killed = args.out / "drawings", args.out / "whole", args.out / "killed"
    write_drawings(hero(args.hero), drawings)
    subprocess.run(learn_command(drawings, whole, args.steps), check=True, stderr=subprocess.DEVNULL)
    shutil.rmtree(killed, ignore_errors=True)
    command = learn_command(drawings, killed, args.steps)
    for number, step in enumerate(
        kill_some(command, killed, args.kills, random.Random(args.seed), args.longest_s), start=1
    ):
        sys.stdout.write(f"kill {number}: the newest checkpoint was of step {step}\n")
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    same = hashes(whole) == hashes(killed) and bool(hashes(whole))
    sys.stdout.write(f"{'bit-identical' if same else 'DIFFERENT'} after {args.kills} kills\n")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
