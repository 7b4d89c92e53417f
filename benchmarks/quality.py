"""The quality ratio of methods on heroes: learn, draw the thirteen prompts, judge, bootstrap over heroes.

    python benchmarks/quality.py --out runs/quality --heroes 8 --count 3

It is `understudy compare` with a row for learning and one without. Finished runs are not repeated, so that
the same command goes on after a stop. Seeds from 1000 on are for the final judging only and need --judging.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import understudy
from understudy.comparisons.asked import KEPT_FROM, Comparison, Entry, Row
from understudy.recipes import PUPPET
from understudy.terminal import listening


def main() -> None:
    """Run what is missing and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--heroes", type=int, default=8)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--base", default=PUPPET)
    parser.add_argument("--judging", action="store_true", help="allow the heroes kept for judging")
    args = parser.parse_args()
    if args.first + args.heroes > KEPT_FROM and not args.judging:
        parser.error(f"heroes from {KEPT_FROM} on are for judging only: say --judging if you mean it")
    comparison = Comparison(
        title="Quality ratio on heroes",
        characters=tuple(Entry(hero=args.first + number) for number in range(args.heroes)),
        rows=(
            Row(method="dreambooth-lora", knobs={"steps": args.steps} if args.steps else {}),
            Row(method="prompt-only"),
        ),
        base=args.base,
        pictures=args.count,
        drift=False,
        judging=args.judging,
    )
    with listening() as notify:
        compared = understudy.compare(comparison, args.out, notify)
    sys.stdout.write((args.out / "table.md").read_text(encoding="utf-8"))
    sys.exit(1 if compared.failed else 0)


if __name__ == "__main__":
    main()
