"""How many pictures with a part drawn anew are still the character, and whether all else stayed as it was.

    python benchmarks/redrawing.py --out runs/redrawing --first 100 --heroes 8

Each hero is learned once, by the default recipe; the same command goes on. Then seven parts of its true
picture, standing, are drawn anew at the default strength: what is wrong afterwards came with the part.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

import understudy
from understudy.comparisons.asked import KEPT_FROM, Entry
from understudy.comparisons.plan import load_character
from understudy.domain import Attributes, Picture, Scene, UserError
from understudy.judges.puppet import PuppetJudge
from understudy.judges.quality import wilson
from understudy.world.heroes import hero, oracle

STANDING = Attributes(pose="standing", view="front", framing="full_body", place="paper")
WISHES = (
    ("face", "laughing"),
    ("face", "angry"),
    ("face", "sad"),
    ("left hand", "standing"),
    ("right hand", "waving"),
    ("legs", "walking"),
    ("body", "standing"),
)


def main() -> None:
    """Learn, draw anew, judge, and print a line for each part and two for all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--heroes", type=int, default=8)
    asked = parser.parse_args()
    if asked.first + asked.heroes > KEPT_FROM:
        parser.error(f"heroes from {KEPT_FROM} on are for judging only")
    judge = PuppetJudge()
    tried: Counter[str] = Counter()
    same: Counter[str] = Counter()
    num_changed = 0
    for seed in range(asked.first, asked.first + asked.heroes):
        character = load_character(Entry(hero=seed))
        run = understudy.learn(character, understudy.DreamBoothLora(), asked.out / f"hero-{seed}")
        before = oracle(hero(seed), STANDING, seed).pixels
        true = asked.out / f"true-{seed}.png"
        Image.fromarray(before).save(true)
        for part, wish in WISHES:
            prompt = f"a picture of {character.name} {wish}"
            try:
                where = judge.find_part(before, part)
                (file,) = understudy.redraw(run, true, prompt, part=part, judge=judge)
            except UserError as error:
                sys.stderr.write(f"{character.name}, {part}: {error}\n")
                continue
            with Image.open(file) as image:
                after = np.asarray(image)
            num_changed += bool((after[where == 0] != before[where == 0]).any())
            (verdict,) = judge([Picture(Scene(prompt), after)], character)
            tried[part] += 1
            same[part] += verdict.same_character
        sys.stderr.write(
            f"{character.name}: still the character in {same.total()} of {tried.total()} so far\n"
        )
    for part in tried:
        sys.stdout.write(f"{part}: {same[part]} of {tried[part]}\n")
    low, high = wilson(same.total(), tried.total())
    share = same.total() / tried.total()
    sys.stdout.write(
        f"still the character: {same.total()} of {tried.total()}, {share:.1%} ({low:.1%} to {high:.1%})\n"
        f"changed outside the part: {num_changed} of {tried.total()}\n"
    )


if __name__ == "__main__":
    main()
