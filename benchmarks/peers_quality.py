"""Time to equal quality, by the same judge: ours and diffusers' script, each with its own recommended recipe.

    python benchmarks/peers_quality.py train_dreambooth_lora.py --out runs/peers-quality

The peer's is that of its README: batch 1, rank 4, rate 1e-4, 500 steps. Because that was chosen for other
bases, it also runs with --rates of our own choice at our batch and rank; of all snapshots the best counts.
Both draw the thirteen scenes with the same painter, seeds and settings; the quality that counts is the mean
likeness to the drawings, which says more of a few dozen pictures than the share that passes. The time of a
snapshot is from the start of its process to the writing of its file. Where the peer never draws the
character, there is no equal quality, and what is said is when ours first did.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from peer_runs import NAME, NOUN, Timed, run_ours, run_peer, write_both

import understudy
from understudy.bases.catalog import find_base
from understudy.bases.opening import open_base
from understudy.domain import Character
from understudy.judges.puppet import PuppetJudge
from understudy.methods.adapters import WEIGHTS_FILE
from understudy.methods.computing.planning import choose_plan
from understudy.methods.painting import Painter, PipelinePainter
from understudy.pictures import seeded_scenes
from understudy.recipes import PUPPET, DrawSettings
from understudy.runs import open_run
from understudy.world.captions import STUDY_PROMPTS

PEER_STEPS = 500
SNAPSHOTS = 5


@dataclass(frozen=True)
class Point:
    """How good the pictures of a snapshot are, and how long it took to have it."""

    way: str
    step: int
    seconds: float
    likeness: float
    same: float
    passed: float


def judge(painter: Painter, character: Character, count: int) -> tuple[float, float, float]:
    """Mean likeness, share of the same character, share that passes."""
    prompts = [prompt.replace("{name}", NAME) for prompt in STUDY_PROMPTS]
    pictures = list(painter(seeded_scenes(prompts, count), DrawSettings(batch=8)))
    verdicts = PuppetJudge()(pictures, character)
    return (
        mean(one.likeness for one in verdicts),
        mean(one.same_character for one in verdicts),
        mean(one.passed for one in verdicts),
    )


@contextmanager
def open_peer(weights: Path) -> Iterator[Painter]:
    """Our painter with the peer's adapter."""
    folder = find_base(PUPPET)
    base = open_base(folder, choose_plan(folder))
    base.pipe.load_lora_weights(str(weights.parent), weight_name=weights.name)
    base.pipe.fuse_lora()
    yield PipelinePainter(base, base.prompting.complete, {})


def peer_points(way: str, timed: Timed, out: Path, character: Character, count: int) -> Iterator[Point]:
    """A point for each of the peer's checkpoints."""
    for folder in sorted(out.glob("checkpoint-*"), key=_step_of):
        weights = folder / WEIGHTS_FILE
        yield _point(way, _step_of(folder), weights, timed, open_peer(weights), character, count)


def our_points(timed: Timed, out: Path, character: Character, count: int) -> Iterator[Point]:
    """A point for each of our snapshots."""
    for one in open_run(out).checkpoints():
        if one.keep:
            painter = understudy.open_painter(out, one)
            yield _point("ours", one.step, one.folder / WEIGHTS_FILE, timed, painter, character, count)


def _point(
    way: str,
    step: int,
    weights: Path,
    timed: Timed,
    painter: AbstractContextManager[Painter],
    character: Character,
    count: int,
) -> Point:
    with painter as opened:
        figures = judge(opened, character, count)
    point = Point(way, step, weights.stat().st_mtime - timed.began, *figures)
    sys.stdout.write(
        f"| {way} | {step} | {point.seconds:.0f} | {point.likeness:.3f} | {point.same:.2f} "
        f"| {point.passed:.2f} |\n"
    )
    sys.stdout.flush()
    return point


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def main() -> None:
    """Learn, draw and judge all, and say when ours was as good as the peer's best."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("script", type=Path, help="the peer's script")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hero", type=int, default=30)
    parser.add_argument("--count", type=int, default=1, help="pictures of each scene")
    parser.add_argument(
        "--rates",
        type=float,
        nargs="*",
        default=[1e-3, 3e-3],
        help="also for the peer, at our batch and rank",
    )
    args = parser.parse_args()
    if args.hero >= 1000:
        parser.error("heroes from 1000 on are for judging only")
    shutil.rmtree(args.out, ignore_errors=True)
    ours, theirs = write_both(args.hero, args.out)
    character = understudy.read_character(ours, NAME, NOUN)
    sys.stdout.write("| | step | s | likeness | same character | passed |\n" + "|---" * 6 + "|\n")
    run = args.out / "ours"
    timed = run_ours(ours, run, ["--snapshot-every", "50"])
    own = list(our_points(timed, run, character, args.count))
    every = ["--max_train_steps", str(PEER_STEPS), "--checkpointing_steps", str(PEER_STEPS // SNAPSHOTS)]
    settings = {"peer, as recommended": ["--train_batch_size", "1", "--learning_rate", "1e-4"]}
    for rate in args.rates:
        ours_too = ["--train_batch_size", "6", "--rank", "16", "--learning_rate", str(rate)]
        settings[f"peer, batch 6, rank 16, {rate:g}"] = ours_too
    for number, (way, options) in enumerate(settings.items()):
        out = args.out / f"peer{number}"
        timed = run_peer(args.script, theirs, out, [*every, *options])
        points = list(peer_points(way, timed, out, character, args.count))
        sys.stdout.write(f"{way}: {conclude(points, own)}\n")
        sys.stdout.flush()


def conclude(peer: Sequence[Point], own: Sequence[Point]) -> str:
    """When ours was as good as the peer's best snapshot, and how much earlier."""
    best = max(peer, key=lambda point: point.likeness)
    least = best.likeness if best.same > 0 else 0.0
    reached = next((point for point in own if point.same > 0 and point.likeness >= least), None)
    ours = "ours never did" if reached is None else f"ours did after {reached.seconds:.0f} s"
    if best.same == 0:
        return f"no picture of the character in {peer[-1].seconds:.0f} s; {ours}"
    if reached is None:
        return f"best likeness {best.likeness:.3f} after {best.seconds:.0f} s; ours was never as good"
    times = best.seconds / reached.seconds
    return f"best likeness {best.likeness:.3f} after {best.seconds:.0f} s; {ours}: {times:.2f} times"


if __name__ == "__main__":
    main()
