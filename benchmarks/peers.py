"""Our dreambooth-lora against diffusers' train_dreambooth_lora.py at equal settings, in one call.

    python benchmarks/peers.py train_dreambooth_lora.py --out runs/peers --steps 200

Equal: base, drawings, precision, batch, resolution, rank, alpha, adapted layers (attention), learning rate,
no class pictures, steps. The rest is each one's own: the peer encodes its pictures and prompt in every step,
ours encodes eight variants of each drawing before the first. Seconds per step without the first twenty;
memory is the process's peak (VmHWM) at its last step; the whole process is from its start to its end. Run it
on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from peer_runs import DROPPED, Timed, run_ours, run_peer, write_both

RANK = 4
"""The peer's default; its alpha is always its rank."""
RATE = 1e-4
PRECISIONS = {"fp32": "no", "bf16": "bf16"}
"""What the peer calls them."""


def compare(
    script: Path, out: Path, precision: str, batch: int, steps: int, seed: int
) -> tuple[Timed, Timed]:
    """(ours, the peer's), one after the other."""
    ours, theirs = write_both(seed, out)
    folder = out / precision
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    peer = run_peer(
        script,
        theirs,
        folder / "peer",
        [
            *("--train_batch_size", str(batch), "--max_train_steps", str(steps), "--rank", str(RANK)),
            *("--learning_rate", str(RATE), "--mixed_precision", PRECISIONS[precision]),
        ],
    )
    own = run_ours(
        ours,
        folder / "ours",
        [
            *("--batch", str(batch), "--steps", str(steps), "--rank", str(RANK), "--alpha", str(RANK)),
            *("--learning-rate", str(RATE), "--precision", precision, "--targets", "attention"),
            *("--prior-weight", "0"),
            *("--decoder-share", "0"),
        ],
    )
    return own, peer


def rows(precision: str, ours: Timed, peer: Timed) -> list[str]:
    """The table's lines of one precision."""
    figures = [
        ("a step, s", ours.step_s, peer.step_s, ".3f"),
        ("whole process, s", ours.whole_s, peer.whole_s, ".1f"),
        ("before the first step is done, s", ours.first_step_s, peer.first_step_s, ".1f"),
        ("peak memory, MB", ours.peak_bytes / 1e6, peer.peak_bytes / 1e6, ".0f"),
    ]
    return [
        f"| {precision} | {what} | {own:{form}} | {other:{form}} | {other / own:.2f} |"
        for what, own, other, form in figures
    ]


def main() -> None:
    """Measure both and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("script", type=Path, help="the peer's script")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--precision", choices=[*PRECISIONS, "both"], default="both")
    parser.add_argument("--hero", type=int, default=30)
    args = parser.parse_args()
    if args.hero >= 1000 or args.steps <= DROPPED + 1:
        parser.error(f"heroes below 1000, and more than {DROPPED + 1} steps")
    wanted = list(PRECISIONS) if args.precision == "both" else [args.precision]
    lines = [f"| {args.steps} steps of {args.batch} | | ours | peer | ratio |", "|---" * 5 + "|"]
    for precision in wanted:
        both = compare(args.script, args.out, precision, args.batch, args.steps, args.hero)
        lines += rows(precision, *both)
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
