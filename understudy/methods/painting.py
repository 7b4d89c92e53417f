"""A painter over a diffusers pipeline: the one way in which pictures are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from understudy.bases.sd1 import Sd1Base
from understudy.domain import Picture, Pixels, Scene
from understudy.methods.planning import list_versions
from understudy.recipes import DrawSettings
from understudy.runs import Checkpoint, Run


class Painter(Protocol):
    """Draws a character that was learned."""

    @property
    def follows_text(self) -> bool:
        """False if the scene's words are ignored, so that following them is not judged."""
        ...

    def __call__(self, scenes: Sequence[Scene], settings: DrawSettings) -> Iterator[Picture]:
        """One picture for each scene, in their order."""
        ...


@dataclass(frozen=True)
class PipelinePainter:
    """Draws by the pipeline's own call, so that plain diffusers draws the same picture.

    `read` turns a scene's prompt into what the base reads; `facts` go into every picture's record.
    """

    base: Sd1Base
    read: Callable[[str], str]
    facts: Mapping[str, str]
    follows_text: bool = True

    def __call__(self, scenes: Sequence[Scene], settings: DrawSettings) -> Iterator[Picture]:
        """Each picture starts from noise of its own seed, made on the CPU: its batch does not count."""
        for first in range(0, len(scenes), settings.batch):
            some = scenes[first : first + settings.batch]
            for scene, pixels in zip(some, self._draw(some, settings), strict=True):
                yield Picture(scene, pixels, self._record(scene, pixels, settings))

    def _draw(self, scenes: Sequence[Scene], settings: DrawSettings) -> Pixels:
        images = self.base.pipe(
            prompt=[self.read(scene.prompt) for scene in scenes],
            negative_prompt=[_negative(scene, settings) for scene in scenes],
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            generator=[torch.Generator("cpu").manual_seed(scene.seed) for scene in scenes],
            output_type="np",
        ).images
        pixels: Pixels = np.round(images * 255).astype(np.uint8)
        return pixels

    def _record(self, scene: Scene, pixels: Pixels, settings: DrawSettings) -> dict[str, str]:
        return {
            "prompt": scene.prompt,
            "prompt_as_read": self.read(scene.prompt),
            "negative": _negative(scene, settings),
            "seed": str(scene.seed),
            "steps": str(settings.steps),
            "guidance": str(settings.guidance),
            "scheduler": type(self.base.pipe.scheduler).__name__,
            "width": str(pixels.shape[1]),
            "height": str(pixels.shape[0]),
            **self.facts,
        }


def describe_run(run: Run, checkpoint: Checkpoint) -> dict[str, str]:
    """What a picture's record says of the run that drew it."""
    recipe, manifest = run.recipe, run.manifest
    versions = ", ".join(f"{name} {number}" for name, number in list_versions().items())
    return {
        "run": run.folder.resolve().name,
        "method": recipe.method,
        "character": manifest.name,
        "learned_steps": str(checkpoint.step),
        "weights_sha256": ", ".join(checkpoint.sha256[file] for file in checkpoint.weights),
        "base": manifest.base,
        "base_sha256": manifest.base_sha256,
        "versions": versions,
    }


def _negative(scene: Scene, settings: DrawSettings) -> str:
    return scene.negative or settings.negative
