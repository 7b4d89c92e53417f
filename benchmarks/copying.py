"""How many pasted drawings are found, and how many new poses are taken for copies, over invented heroes.

    python -m benchmarks.copying --first 320 --heroes 20

Pastes are three of a hero's drawings (`--drawings`) in each of the ways of `tests/pasting.py`; new poses are
those of `tests/judges/test_copying.py`, drawn by the world's own hand. The embedded judge says what is held.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter

from tests.judges.test_copying import NEW_POSES, drawings_of
from tests.pasting import WAYS, paste
from understudy.domain import Picture, Scene
from understudy.judges.copying import CopyingJudge
from understudy.judges.puppet import PuppetJudge
from understudy.judges.quality import wilson
from understudy.world.heroes import hero, oracle


def main() -> None:
    """Measure and print, a line for each way and two for all together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--first", type=int, default=320)
    parser.add_argument("--heroes", type=int, default=20)
    parser.add_argument("--drawings", type=int, nargs="+", default=[0, 2, 3])
    asked = parser.parse_args()
    found: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    embedded = PuppetJudge()
    for seed in range(asked.first, asked.first + asked.heroes):
        of = hero(seed)
        drawn = drawings_of(of)
        judge = CopyingJudge(drawn, embedded.find_held)
        rng = random.Random(f"copying {seed}")
        pictures = [(way, paste(drawn[at], way, rng)) for way in WAYS for at in asked.drawings]
        pictures += [("new pose", oracle(of, wish, 7).pixels) for wish in NEW_POSES]
        for kind, pixels in pictures:
            tried[kind] += 1
            found[kind] += judge.nearest(Picture(Scene(kind), pixels)).is_copy
        sys.stderr.write(f"{of.name}: {found.total()} called copies so far\n")
    for kind in (*WAYS, "new pose"):
        sys.stdout.write(f"{kind}: {found[kind]} of {tried[kind]}\n")
    for said, kinds in (("pasted drawings found", WAYS), ("new poses called copies", ("new pose",))):
        copies, n = (sum(counts[kind] for kind in kinds) for counts in (found, tried))
        low, high = wilson(copies, n)
        sys.stdout.write(f"{said}: {copies} of {n}, {copies / n:.1%} ({low:.1%} to {high:.1%})\n")


if __name__ == "__main__":
    main()
