"""What the judge learns from at one step: strangers and their kin, true and false pictures, and the truth.

Pictures are worn as a model's output, a scan or a file is, without being damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from understudy.domain import Pixels
from understudy.judges.network import SIDE
from understudy.judges.puppet import to_input
from understudy.pretrain.judge_kin import NUM_DRAWINGS, NUM_SCENES

CHANGED = 12  # of a place's 256 pixels: so many must differ; with fewer, but some, the place does not count
HELD_OUT = 16  # every so manieth file is kept for the figures of strangers never learned from

Rows = NDArray[np.void]


@dataclass(frozen=True)
class Batch:
    """G strangers and their kin with D drawings each, S = 3 scenes of both, the strangers' damaged as well.

    `drawings` (2G, D, 3, 96, 96), `scenes` (2G, S, ...), `damaged` (G, S, ...) in -1..1: first all strangers,
    then all kin. `drawn_labels` (2G, D, 8), `labels` (2G, S, 8), `drawn_parts` (2G, D, 24, 24) and `parts`
    (2G, S, 24, 24). `changed` and `broken` (G, S) are 1 where it can be seen, else -1; `changed_places` and
    `broken_places` (G, S, 144): 0 or 1, -1 where unclear.
    """

    drawings: Tensor
    scenes: Tensor
    damaged: Tensor
    drawn_labels: Tensor
    labels: Tensor
    drawn_parts: Tensor
    parts: Tensor
    changed: Tensor
    broken: Tensor
    changed_places: Tensor
    broken_places: Tensor


@dataclass(frozen=True)
class Kin:
    """Files of `judge_kin.ROW`, read where they lie."""

    files: tuple[Rows, ...]

    @staticmethod
    def load(paths: Sequence[Path]) -> Kin:
        """Open some files; raises `ValueError` if there is none."""
        if not paths:
            raise ValueError("There is nothing to learn from: run understudy.pretrain.judge_kin first.")
        return Kin(tuple(np.load(path, mmap_mode="r") for path in paths))

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.files)

    def pick(self, rng: np.random.Generator, num: int) -> Rows:
        """`num` different rows."""
        starts = np.cumsum([0, *[len(rows) for rows in self.files]])
        picks = rng.choice(len(self), num, replace=False)
        where = np.searchsorted(starts, picks, side="right") - 1
        return np.stack([self.files[at][pick - starts[at]] for at, pick in zip(where, picks, strict=True)])


def split(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Files to learn from, and those held out."""
    held = [path for path in paths if int(path.stem.split("-")[-1]) % HELD_OUT == HELD_OUT - 1]
    return [path for path in paths if path not in held], held


def make_batch(kin: Kin, rng: np.random.Generator, num: int, wear: bool = True) -> Batch:
    """Draw G = `num` strangers with their kin; now and then a portrait or side is not among the drawings."""
    rows = kin.pick(rng, num)
    drawn = [0, 3, *[at for at in (1, 2) if rng.random() < 0.8]]
    last = NUM_DRAWINGS
    drawings = _first_strangers(rows["drawings"])[:, drawn]
    scenes = _first_strangers(rows["scenes"])
    damaged = rows["damaged"]
    if wear:
        drawings = _worn(drawings, rng, 0.15, gently=True)
        scenes, damaged = _worn(scenes, rng, 0.6), _worn(damaged, rng, 0.6)
    labels = np.concatenate([rows["labels"], rows["labels"]]).astype(np.int64)
    parts = _first_strangers(rows["parts"]).astype(np.int64)
    changed, changed_places = _truth(rows["changed"].reshape(num * NUM_SCENES, -1))
    broken, broken_places = _truth(rows["broken"].reshape(num * NUM_SCENES, -1))
    shown = torch.cat([_inputs(scenes), _inputs(damaged)])
    if wear:
        shown = shaken(shown, rng)
    return Batch(
        torch.unflatten(_inputs(drawings), 0, (2 * num, -1)),
        torch.unflatten(shown[: 2 * num * NUM_SCENES], 0, (2 * num, -1)),
        torch.unflatten(shown[2 * num * NUM_SCENES :], 0, (num, -1)),
        torch.from_numpy(labels[:, drawn]),
        torch.from_numpy(labels[:, last:]),
        torch.from_numpy(parts[:, drawn]),
        torch.from_numpy(parts[:, last:]),
        changed.view(num, NUM_SCENES),
        broken.view(num, NUM_SCENES),
        changed_places.view(num, NUM_SCENES, -1),
        broken_places.view(num, NUM_SCENES, -1),
    )


def _first_strangers(arrays: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(G, 2, ...) -> (2G, ...): all strangers, then all kin."""
    return np.concatenate([arrays[:, 0], arrays[:, 1]])


def _inputs(pixels: Pixels) -> Tensor:
    return to_input(pixels.reshape(-1, SIDE, SIDE, 3))


def _worn(pixels: Pixels, rng: np.random.Generator, share: float, gently: bool = False) -> Pixels:
    fresh = pixels.copy()
    for place in np.ndindex(pixels.shape[:-3]):
        if rng.random() < share:
            fresh[place] = worn(pixels[place], rng, gently)
    return fresh


def _truth(counts: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Counts (N, 144) of differing pixels -> truth of the pictures (N,) and of their places (N, 144)."""
    seen = counts.any(axis=1)
    places = np.where(counts >= CHANGED, 1.0, np.where(counts > 0, -1.0, 0.0)).astype(np.float32)
    places[~seen] = -1
    return torch.from_numpy(np.where(seen, 1.0, -1.0).astype(np.float32)), torch.from_numpy(places)


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
