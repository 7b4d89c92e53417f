"""A painter over a diffusers pipeline: the one way in which pictures are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from understudy.bases.sd1 import Sd1Base
from understudy.domain import Picture, Pixels, Scene
from understudy.events import Note, Notify, Step, ignore
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

    `read` turns a scene's prompt into what the base reads; `facts` go into every picture's record; every
    denoising step is told to `notify`, which may stop the work.
    """

    base: Sd1Base
    read: Callable[[str], str]
    facts: Mapping[str, str]
    notify: Notify = ignore
    follows_text: bool = True

    def __call__(self, scenes: Sequence[Scene], settings: DrawSettings) -> Iterator[Picture]:
        """Each picture starts from noise of its own seed, made on the CPU: its batch changes last digits."""
        note_cut_prompts(self.base, [self.read(scene.prompt) for scene in scenes], self.notify)
        starts = range(0, len(scenes), settings.batch)
        for number, first in enumerate(starts):
            some = scenes[first : first + settings.batch]
            drawn = self._draw(some, settings, number * settings.steps, len(starts) * settings.steps)
            for scene, pixels in zip(some, drawn, strict=True):
                yield Picture(scene, pixels, self._record(scene, pixels, settings))

    def _draw(self, scenes: Sequence[Scene], settings: DrawSettings, done: int, total: int) -> Pixels:
        """A batch, before which `done` of `total` denoising steps were made."""

        def tell(pipe: object, step: int, time: object, tensors: dict[str, Any]) -> dict[str, Any]:
            self.notify(Step("denoising", done + min(step + 1, settings.steps), total))
            return {}  # nothing that the pipeline is to go on with instead

        images = self.base.pipe(
            prompt=[self.read(scene.prompt) for scene in scenes],
            negative_prompt=[_negative(scene, settings) for scene in scenes],
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            generator=[torch.Generator("cpu").manual_seed(scene.seed) for scene in scenes],
            output_type="np",
            callback_on_step_end=tell,
            callback_on_step_end_tensor_inputs=[],
        ).images
        pixels: Pixels = np.round(images * 255).astype(np.uint8)
        return pixels

    def _record(self, scene: Scene, pixels: Pixels, settings: DrawSettings) -> dict[str, str]:
        return {
            "prompt": scene.prompt,
            "prompt_as_read": self.base.readable_part(self.read(scene.prompt)),
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
        "base": Path(manifest.base).name,  # never where it lies on somebody's disk
        "base_sha256": manifest.base_sha256,
        "versions": versions,
        **{f"drawings_{what}": said for what, said in asdict(manifest.rights).items()},
    }


def note_cut_prompts(base: Sd1Base, prompts: Sequence[str], notify: Notify) -> None:
    """Say so, once, where a prompt is longer than what the base reads."""
    for prompt in prompts:
        part = base.readable_part(prompt)
        if part != prompt:
            notify(Note(f"A prompt is longer than what the base reads, which ends at: {part[-40:]!r}."))
            return


def _negative(scene: Scene, settings: DrawSettings) -> str:
    return scene.negative or settings.negative
