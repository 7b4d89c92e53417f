"""Eight adapters (rates x ranks) over one base at once, against one after another.

    python benchmarks/together.py --out runs/together --steps 60

Each side is one process with the default recipe, class pictures and all, as a user waits for it; where one
comes after another, nothing is imported twice. The time per step of the learning alone is given, too, without
the first twenty steps, and how far the weights differ. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path
from statistics import mean

import torch
from safetensors.torch import load_file

import understudy
from understudy.events import Event, Step
from understudy.methods.adapters import WEIGHTS_FILE
from understudy.runs import open_run
from understudy.world.heroes import hero
from understudy.world.portfolio import write_drawings

RATES = (5e-4, 1e-3, 2e-3, 3e-3)
RANKS = (4, 16)
DROPPED = 20
WAYS = ("together", "alone")


def make_recipes(steps: int, prior_pictures: int) -> dict[str, understudy.DreamBoothLora]:
    """The eight, by the name of their folders."""
    return {
        f"learning_rate={rate},rank={rank}": understudy.DreamBoothLora(
            learning_rate=rate, rank=rank, alpha=rank, steps=steps, prior_pictures=prior_pictures
        )
        for rate, rank in product(RATES, RANKS)
    }


def learn_all(way: str, out: Path, recipes: dict[str, understudy.DreamBoothLora]) -> None:
    """The work of one process; writes when each step of the learning ended."""
    ends: list[list[float]] = []

    def note(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "learning":
            if event.done == 0:
                ends.append([])
            ends[-1].append(time.monotonic())

    character = understudy.read_character(out / "drawings", "Mo", "girl")
    folders = {out / way / name: recipe for name, recipe in recipes.items()}
    if way == "together":
        understudy.learn_together(character, folders, note)
    else:
        for folder, recipe in folders.items():
            understudy.learn(character, recipe, folder, notify=note)
    (out / f"{way}.json").write_text(json.dumps(ends))


def time_way(way: str, out: Path, options: Sequence[str]) -> tuple[float, float]:
    """Seconds of the whole process, and of a step of all eight."""
    shutil.rmtree(out / way, ignore_errors=True)
    began = time.monotonic()
    command = [sys.executable, __file__, "--out", str(out), "--way", way, *options]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    whole = time.monotonic() - began
    ends = json.loads((out / f"{way}.json").read_text())
    steps = [mean(after - before for before, after in pairwise(one[DROPPED:])) for one in ends]
    return whole, sum(steps)


def difference(out: Path, name: str) -> float:
    """The norm of the difference of the learned weights, as a share of the weights' own."""
    one, other = (_read_weights(out / way / name) for way in WAYS)
    return float((one - other).norm() / other.norm())


def _read_weights(run: Path) -> torch.Tensor:
    newest = open_run(run).newest()
    if newest is None:
        raise SystemExit(f"nothing is learned in {run}")
    tensors = load_file(newest.folder / WEIGHTS_FILE)
    return torch.cat([tensors[name].flatten() for name in sorted(tensors)])


def main() -> None:
    """Time both ways and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--prior-pictures", type=int, default=16, help="class pictures of each run")
    parser.add_argument("--hero", type=int, default=30)
    parser.add_argument("--way", choices=WAYS, help="do the work of one side and say nothing")
    args = parser.parse_args()
    if args.hero >= 1000 or args.steps <= DROPPED + 1:
        parser.error(f"heroes below 1000, and more than {DROPPED + 1} steps")
    recipes = make_recipes(args.steps, args.prior_pictures)
    if args.way:
        learn_all(args.way, args.out, recipes)
        return
    write_drawings(hero(args.hero), args.out / "drawings")
    options = ["--steps", str(args.steps), "--prior-pictures", str(args.prior_pictures)]
    times = {way: time_way(way, args.out, options) for way in WAYS}
    (whole, step), (alone, alone_step) = (times[way] for way in WAYS)
    differences = [difference(args.out, name) for name in recipes]
    lines = [
        f"| {len(recipes)} adapters, {args.steps} steps | at once | one after another | ratio |",
        "|---" * 4 + "|",
        f"| whole process, s | {whole:.1f} | {alone:.1f} | {alone / whole:.2f} |",
        f"| a step of all, s | {step:.3f} | {alone_step:.3f} | {alone_step / step:.2f} |",
        "",
        f"Weights differ by {min(differences):.1e} to {max(differences):.1e} of their norm.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
