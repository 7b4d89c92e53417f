"""The drawings as pixels, resident in memory: what the methods learn from that need no base."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from understudy.domain import Character, Pixels
from understudy.drawings.prepare import make_views
from understudy.events import Notify, Step
from understudy.methods.examples import Decks
from understudy.recipes import FromNothing


@dataclass(frozen=True)
class DrawnPixels:
    """Views of the drawings, `pixels` (N, 3, size, size) in -1 ... 1; `unit` says whose view a row is."""

    pixels: Tensor
    unit: tuple[int, ...]
    decks: Decks

    def deal(self, step: int) -> list[int]:
        """The rows of a step: every drawing comes up once before any comes up again."""
        return self.decks.deal(step)


def make_pixels(character: Character, recipe: FromNothing, device: str, notify: Notify) -> DrawnPixels:
    """The recipe's views of each drawing, on `device`."""
    drawings = character.drawings
    views: list[Pixels] = []
    unit: list[int] = []
    decks: list[tuple[int, ...]] = []
    for number, drawing in enumerate(drawings):
        notify(Step("preparing", number, len(drawings)))
        of_one = make_views(
            drawing,
            recipe.size_px,
            recipe.views,
            recipe.scale_jitter,
            recipe.place_jitter,
            recipe.flips,
            (recipe.seed, number),
        )
        decks.append(tuple(range(len(views), len(views) + len(of_one))))
        views += [view.pixels for view in of_one]
        unit += [number] * len(of_one)
    notify(Step("preparing", len(drawings), len(drawings)))
    pixels = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return DrawnPixels(
        pixels.contiguous().to(device),
        tuple(unit),
        Decks(tuple(decks), (), 0.0, recipe.batch, recipe.seed),
    )
