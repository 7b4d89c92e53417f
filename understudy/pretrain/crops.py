"""What the embedded autoencoder learns from: crops of pictures of strangers and of random shapes."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor

from understudy.domain import Pixels
from understudy.pretrain.strangers import sample_stranger
from understudy.world.canvas import FACE_PARTS, PART_INDEX, PARTS, SIZE
from understudy.world.scenes import paint, sample_attributes
from understudy.world.shapes import random_drawing

CROP = 96
CROPS_PER_PICTURE = 2
FACE_WEIGHT = 8.0
FIGURE_WEIGHT = 3.0


def weight_of_parts() -> np.ndarray:
    """How much each part's pixels count in the loss, by its index."""
    weights = np.full(len(PARTS), FIGURE_WEIGHT, np.float32)
    weights[[PART_INDEX["paper"], PART_INDEX["scenery"]]] = 1.0
    weights[[PART_INDEX[name] for name in FACE_PARTS]] = FACE_WEIGHT
    return weights


def training_picture(seed: int, shapes: float) -> tuple[Pixels, np.ndarray, tuple[float, float]]:
    """A picture of the world, or with probability `shapes` of random ones; loss weights; where to look."""
    rng = random.Random(f"autoencoder {seed}")
    if rng.random() < shapes:
        weights = np.full((SIZE, SIZE), FIGURE_WEIGHT, np.float32)
        return random_drawing(rng.randrange(1 << 40)), weights, (rng.uniform(0, SIZE), rng.uniform(0, SIZE))
    # A stranger has more shapes and patterns than the world's own characters, as a user's drawings have.
    stranger = sample_stranger(rng)
    painted = paint(stranger.look(), sample_attributes(rng, stranger.kind), rng.randrange(1 << 40))
    return painted.pixels, weight_of_parts()[painted.parts], painted.points["head"]


def training_crops(seed: int, step: int, batch: int, shapes: float) -> tuple[Tensor, Tensor]:
    """Crops (batch, 3, 96, 96) in -1..1 at the scale of use, and weights (batch, 1, 96, 96)."""
    rng = np.random.default_rng((seed, step))
    crops, weights = [], []
    for index in range(batch // CROPS_PER_PICTURE):
        pixels, weight, head = training_picture(seed * 10**9 + step * 64 + index, shapes)
        for number in range(CROPS_PER_PICTURE):
            y, x = rng.integers(0, SIZE - CROP + 1, 2)
            if number % 2 == 0:  # every second crop holds the face, the hardest thing to keep
                y, x = (_start(rng, head[1]), _start(rng, head[0]))
            crop = pixels[y : y + CROP, x : x + CROP]
            if rng.random() < 0.5:
                crop = crop[..., rng.permutation(3)]
            crops.append(crop)
            weights.append(weight[y : y + CROP, x : x + CROP])
    images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return images.contiguous(memory_format=torch.channels_last), torch.from_numpy(np.stack(weights))[:, None]


def _start(rng: np.random.Generator, middle: float) -> int:
    """Where a crop begins that has `middle` near its own."""
    return int(np.clip(middle - CROP / 2 + rng.uniform(-20, 20), 0, SIZE - CROP))
