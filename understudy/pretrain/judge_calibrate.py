"""Sets a trained judge's thresholds on true pictures of development heroes that no figure is reported on.

Strangers' thresholds refuse too many pictures of heroes, who are further from what was learned (docs/log.md).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch

from understudy.judges.puppet import CONFIG_FILE, PuppetJudge, Thresholds
from understudy.pretrain.judge_report import character_of, true_pictures
from understudy.world.heroes import hero

# Which share of true pictures may be refused on each count.
REFUSED = {"other": 0.015, "damage": 0.015}


def thresholds_for(judge: PuppetJudge, seeds: Sequence[int]) -> Thresholds:
    """Thresholds that refuse `REFUSED` of the true pictures of development heroes."""
    if max(seeds) >= 1000:
        raise ValueError("Heroes from seed 1000 on are never looked at here.")
    scores: dict[str, list[float]] = {name: [] for name in REFUSED}
    for seed in seeds:
        of = hero(seed)
        pictures = [each.pixels for each in true_pictures(of, random.Random(f"calibrate {seed}"))]
        drawings = [drawing.pixels for drawing in character_of(of).drawings]
        _, likenesses = judge.compare(pictures, drawings)
        scores["other"] += [likeness.other for likeness in likenesses]
        scores["damage"] += [likeness.damage for likeness in likenesses]
    levels = {name: float(np.quantile(found, 1 - REFUSED[name])) for name, found in scores.items()}
    return Thresholds(**{name: min(0.99, max(0.02, level)) for name, level in levels.items()})


def main() -> None:
    """Write the thresholds into the judge's `config.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judge", type=Path, default=Path("state/judge/out"))
    parser.add_argument("--heroes", type=int, default=31, help="development heroes, from --first on")
    parser.add_argument("--first", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    found = thresholds_for(PuppetJudge(args.judge), range(args.first, args.first + args.heroes))
    path = args.judge / CONFIG_FILE
    config = json.loads(path.read_text(encoding="utf-8"))
    config["thresholds"] = asdict(found)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{found}\n")


if __name__ == "__main__":
    main()
