"""Pairs for the judge's eye for damage: one scene whole and damaged, kept at 96 x 96 in `pairs-*.npz`.

Damage is rare among the pictures of `judge_data`, and one picture is enough to learn most of it from: so it
is learned from many strangers, each seen in a single scene.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from understudy.domain import Pixels
from understudy.judges.puppet import to_input
from understudy.pretrain.judge_batches import CHANGED, shaken, worn
from understudy.pretrain.judge_data import (
    PART_SIDE,
    Labels,
    Redraw,
    count_places,
    labels_of,
    paint_files,
    redrawn,
)
from understudy.pretrain.strangers import sample_stranger
from understudy.world.damage import damaged
from understudy.world.scenes import paint, sample_attributes

PER_FILE = 256


@dataclass(frozen=True)
class Pairs:
    """N strangers in one scene each: `whole` and `broken` (N, 96, 96, 3); `labels` (N, 8) and `parts`
    (N, 24, 24) of the whole one; `where` (N, 12, 12): how many of a place's 256 pixels are damaged."""

    whole: Pixels
    broken: Pixels
    labels: Labels
    parts: Labels
    where: Labels

    @staticmethod
    def load(paths: Sequence[Path]) -> Pairs:
        """All pairs of some files; raises `ValueError` if there is none."""
        if not paths:
            raise ValueError("There are no pairs to learn from: run understudy.pretrain.judge_pairs first.")
        loaded = [dict(np.load(path)) for path in paths]
        return Pairs(
            **{field.name: np.concatenate([one[field.name] for one in loaded]) for field in fields(Pairs)}
        )


@dataclass(frozen=True)
class PairBatch:
    """P whole pictures, then the same P damaged: `pictures` (2P, 3, 96, 96) in -1..1; `labels` (P, 8) and
    `parts` (P, 24, 24) of the whole ones; `damage_places` (P, 144) of the damaged: 0, 1 or -1, unclear."""

    pictures: Tensor
    labels: Tensor
    parts: Tensor
    damage_places: Tensor


def make_pair_batch(pairs: Pairs, rng: np.random.Generator, num: int) -> PairBatch:
    """Draw P = `num` pairs, each picture worn in its own way."""
    which = rng.choice(len(pairs.whole), num, replace=False)
    both = np.concatenate([pairs.whole[which], pairs.broken[which]])
    pictures = to_input(np.stack([worn(picture, rng) for picture in both]))
    counts = pairs.where[which].reshape(num, -1)
    places = np.where(counts >= CHANGED, 1.0, np.where(counts > 0, -1.0, 0.0)).astype(np.float32)
    return PairBatch(
        shaken(pictures, rng),
        torch.from_numpy(pairs.labels[which].astype(np.int64)),
        torch.from_numpy(pairs.parts[which].astype(np.int64)),
        torch.from_numpy(places),
    )


def paint_pair(seed: int) -> dict[str, NDArray[np.uint8]]:
    """One stranger whole and damaged, at 192 x 192, with the truth; another stranger where nothing shows."""
    rng = random.Random(f"pair {seed}")
    while True:
        stranger = sample_stranger(rng)
        look = stranger.look()
        wish = sample_attributes(rng, stranger.kind)
        scene_seed = rng.randrange(1 << 40)
        broke = damaged(look, wish, scene_seed)
        if broke is None:
            continue
        whole = paint(look, wish, scene_seed)
        step = whole.parts.shape[0] // PART_SIDE
        return {
            "whole": whole.pixels,
            "broken": broke.pixels,
            "labels": labels_of(wish),
            "parts": whole.parts[step // 2 :: step, step // 2 :: step],
            "where": count_places(broke.where),
        }


def write_pairs(folder: Path, number: int, redraw: Redraw = list) -> Path:
    """Paint file `number` unless it is there, and return its path."""
    path = folder / f"pairs-{number:05d}.npz"
    if path.exists():
        return path
    rows = [paint_pair(number * PER_FILE + index) for index in range(PER_FILE)]
    arrays = {name: np.stack([row[name] for row in rows]) for name in ("labels", "parts", "where")}
    for name in ("whole", "broken"):
        arrays[name] = redrawn([row[name] for row in rows], redraw)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)
    return path


def main() -> None:
    """Paint pairs; what is there already stays."""
    paint_files(
        "Paint pairs for the judge.", Path("state/judge/pairs"), 80, f"files of {PER_FILE} pairs", write_pairs
    )


if __name__ == "__main__":
    main()
