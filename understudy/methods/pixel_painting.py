"""A painter over a network that was trained from nothing: it draws pixels, at its own size only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from understudy.domain import Picture, Scene, Sketch, UserError
from understudy.methods.samples import to_pixels
from understudy.recipes import DrawSettings

DrawBatch = Callable[[Sequence[Scene], DrawSettings], Tensor]
"""Draws one picture for each scene: (scenes, 3, size, size) in -1 ... 1."""


@dataclass(frozen=True)
class PixelPainter:
    """`tell` says what a picture's record has beyond prompt, seed and size; `facts` go into every record."""

    size_px: int
    draw: DrawBatch
    tell: Callable[[Scene, DrawSettings], Mapping[str, str]]
    facts: Mapping[str, str]
    follows_text: bool

    def canvas(self, settings: DrawSettings) -> tuple[int, int]:
        """Its own size; another one, and a scheduler of another kind of model, are refused."""
        own = self.size_px
        if (settings.width or own, settings.height or own) != (own, own):
            raise UserError(f"This run draws {own} x {own} pixels only: leave out the width and the height.")
        if settings.scheduler is not None:
            raise UserError("A method without a base draws in its own way: leave out the scheduler.")
        if settings.references:
            raise UserError("A method without a base is shown no drawings: leave out the references.")
        return own, own

    def __call__(
        self, scenes: Sequence[Scene], settings: DrawSettings, sketch: Sketch | None = None
    ) -> Iterator[Picture]:
        """Each picture comes from its own seed: its batch changes last digits."""
        self.canvas(settings)  # refused before the work
        if sketch is not None:
            raise UserError("A method without a base begins from nothing: it cannot draw from a picture.")
        for first in range(0, len(scenes), settings.batch):
            some = scenes[first : first + settings.batch]
            with torch.no_grad():
                drawn = to_pixels(self.draw(some, settings))
            for scene, pixels in zip(some, drawn, strict=True):
                yield Picture(scene, pixels, self.record(scene, settings))

    def record(self, scene: Scene, settings: DrawSettings, sketch: Sketch | None = None) -> dict[str, str]:
        """The wish, the size, what the method tells and the run's facts."""
        width, height = self.canvas(settings)
        return {
            "prompt": scene.prompt,
            "negative": scene.negative or settings.negative,
            "seed": str(scene.seed),
            "width": str(width),
            "height": str(height),
            **self.tell(scene, settings),
            **self.facts,
        }


def seeded_noise(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Normal noise (seeds, *shape) on the CPU, so that every device gets the same numbers."""
    return torch.stack([torch.randn(shape, generator=torch.Generator("cpu").manual_seed(s)) for s in seeds])
