"""What the judge learns from at one step: characters with drawings, true and false pictures, and the truth.

Pictures are worn as a model's output, a scan or a file is, without being damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from understudy.domain import Pixels
from understudy.judges.puppet import to_input
from understudy.pretrain.judge_data import NUM_DAMAGED, NUM_SCENES, NUM_VARIANTS, SIDE, Shard

QUERIES = 6  # two scenes, two variants, one damaged, one of another character
CHANGED = 12  # of a place's 256 pixels: so many must differ; with fewer, but some, the place does not count
HELD_OUT = 20  # every so manieth shard is kept for calibration


@dataclass(frozen=True)
class Batch:
    """G characters with R drawings and Q = 6 pictures each.

    `drawings` (G, R, 3, 96, 96) and `pictures` (G, Q, 3, 96, 96) in -1..1; `drawn_labels` (G, R, 8) and
    `labels` (G, Q, 8), `drawn_parts` (G, R, 24, 24) and `parts` (G, Q, 24, 24), -1 where unknown; `other` and
    `damage` (G, Q), `other_places` and `damage_places` (G, Q, 144): 0 or 1, -1 where unknown.
    """

    drawings: Tensor
    pictures: Tensor
    drawn_labels: Tensor
    labels: Tensor
    drawn_parts: Tensor
    parts: Tensor
    other: Tensor
    damage: Tensor
    other_places: Tensor
    damage_places: Tensor


def load_shards(paths: Sequence[Path]) -> Shard:
    """All strangers of some shards in one; raises `ValueError` if there is no shard."""
    if not paths:
        raise ValueError("There are no shards to learn from: run understudy.pretrain.judge_data first.")
    loaded = [Shard.load(path) for path in paths]
    names = [field.name for field in fields(Shard)]
    return Shard(**{name: np.concatenate([getattr(shard, name) for shard in loaded]) for name in names})


def split(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Shards to learn from, and those held out for calibration."""
    held = [path for path in paths if int(path.stem.split("-")[-1]) % HELD_OUT == HELD_OUT - 1]
    return [path for path in paths if path not in held], held


def make_batch(shard: Shard, rng: np.random.Generator, num: int, wear: bool = True) -> Batch:
    """Draw G = `num` strangers and pictures of them."""
    who = rng.choice(len(shard.drawings), num, replace=False)
    drawn = rng.permutation(6)[: rng.choice((3, 4, 5, 6, 6, 6))]
    scenes = rng.permuted(np.tile(np.arange(NUM_SCENES), (num, 1)), axis=1)
    spoilt = rng.integers(0, NUM_DAMAGED, num)
    row = np.arange(num)
    pictures = np.empty((num, QUERIES, SIDE, SIDE, 3), np.uint8)
    labels = np.full((num, QUERIES, 8), -1, np.int64)
    parts = np.full((num, QUERIES, 24, 24), -1, np.int64)
    other = np.full((num, QUERIES), -1, np.float32)
    damage = np.full((num, QUERIES), -1, np.float32)
    other_places = np.full((num, QUERIES, 144), -1, np.float32)
    damage_places = np.full((num, QUERIES, 144), -1, np.float32)
    for at in (0, 1):
        pictures[:, at] = shard.scenes[who, scenes[:, at]]
        labels[:, at] = shard.labels[who, 6 + scenes[:, at]]
        parts[:, at] = shard.parts[who, 6 + scenes[:, at]]
        other[:, at] = damage[:, at] = 0
        other_places[:, at] = damage_places[:, at] = 0
    for at in (2, 3):
        # Variants of one seen scene and of one that is not seen itself.
        pick = scenes[:, at - 1] % NUM_VARIANTS
        pictures[:, at] = shard.variants[who, pick]
        labels[:, at] = shard.labels[who, 6 + pick]
        damage[:, at] = 0
        damage_places[:, at] = 0
        other[:, at], other_places[:, at] = _truth(shard.changed[who, pick])
    pictures[:, 4] = shard.damaged[who, spoilt]
    labels[:, 4, [0, 1, 2, 7]] = shard.labels[who, 6 + spoilt][:, [0, 1, 2, 7]]
    damage[:, 4], damage_places[:, 4] = _truth(shard.broken[who, spoilt])
    for at in (2, 3, 4):
        # What no try of could be seen is left out.
        lost = (other if at < 4 else damage)[:, at] < 0
        for truth in (other, damage, other_places, damage_places, labels):
            truth[lost, at] = -1
    near = np.roll(row, 1)
    pictures[:, 5] = pictures[near, 0]
    other[:, 5] = 1
    if wear:
        for place in np.ndindex(num, QUERIES):
            pictures[place] = worn(pictures[place], rng)
    drawings = shard.drawings[who][:, drawn].copy()
    if wear:
        for place in np.ndindex(num, len(drawn)):
            if rng.random() < 0.2:
                drawings[place] = worn(drawings[place], rng, gently=True)
    queries = to_input(pictures.reshape(-1, SIDE, SIDE, 3))
    if wear:
        queries = shaken(queries, rng)
    return Batch(
        to_input(drawings.reshape(-1, SIDE, SIDE, 3)).view(num, len(drawn), 3, SIDE, SIDE),
        queries.reshape(num, QUERIES, 3, SIDE, SIDE),
        torch.from_numpy(shard.labels[who][:, drawn].astype(np.int64)),
        torch.from_numpy(labels),
        torch.from_numpy(shard.parts[who][:, drawn].astype(np.int64)),
        torch.from_numpy(parts),
        *map(torch.from_numpy, (other, damage, other_places, damage_places)),
    )


def _truth(counts: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Counts (G, 12, 12) of differing pixels -> truth of the pictures (G,) and of their places (G, 144)."""
    flat = counts.reshape(len(counts), -1)
    places = np.where(flat >= CHANGED, 1.0, np.where(flat > 0, -1.0, 0.0)).astype(np.float32)
    return np.where(flat.any(axis=1), 1.0, -1.0).astype(np.float32), places


def worn(pixels: Pixels, rng: np.random.Generator, gently: bool = False) -> Pixels:
    """A picture (96, 96, 3) after some of: resampling, blur, a slight shift of colours, noise, JPEG."""
    if rng.random() < 0.3:
        return pixels
    image: NDArray[np.float64] = pixels.astype(np.float64)
    strength = 0.5 if gently else 1.0
    if rng.random() < 0.3:
        side = round(SIDE / rng.uniform(1.1, 1 + 0.9 * strength))
        image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        image = cv2.resize(
            image, (SIDE, SIDE), interpolation=int(rng.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC)))
        )
    if rng.random() < 0.35:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.3 + 0.6 * strength))
    if rng.random() < 0.5:
        image = (image - 128) * rng.uniform(0.94, 1.06) + 128 + rng.uniform(-7, 7, 3)
    if rng.random() < 0.3:
        image += rng.normal(0, rng.uniform(1, 9) * strength, image.shape)
    if rng.random() < 0.25 and not gently:
        # Blotches, as an autoencoder leaves where it is unsure.
        blotches = rng.normal(0, 1, (12, 12, 3)).astype(np.float32) * rng.uniform(2, 8)
        image += cv2.resize(blotches, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    finished = image.clip(0, 255).round().astype(np.uint8)
    if rng.random() < 0.3:
        quality = int(rng.integers(35, 95))
        _, code = cv2.imencode(".jpg", finished, [cv2.IMWRITE_JPEG_QUALITY, quality])
        finished = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return finished


def shaken(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Move, scale and slightly bend half of the pictures (B, 3, 96, 96): a model's lines are never exact."""
    moved = np.flatnonzero(rng.random(len(pictures)) < 0.5)
    if not len(moved):
        return pictures
    num = len(moved)
    base = F.affine_grid(torch.eye(2, 3)[None], [1, 3, SIDE, SIDE], align_corners=False)
    scale = torch.from_numpy(rng.uniform(0.97, 1.03, (num, 1, 1, 1)).astype(np.float32))
    shift = torch.from_numpy(rng.uniform(-0.04, 0.04, (num, 1, 1, 2)).astype(np.float32))
    bend = torch.from_numpy(rng.normal(0, 1, (num, 2, 9, 9)).astype(np.float32))
    bend *= torch.from_numpy(rng.uniform(0, 0.009, (num, 1, 1, 1)).astype(np.float32))
    wave = F.interpolate(bend, (SIDE, SIDE), mode="bicubic").permute(0, 2, 3, 1)
    grid = base * scale + shift + wave
    which = torch.from_numpy(moved)
    out = pictures.clone()
    out[which] = F.grid_sample(
        pictures[which], grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return out
