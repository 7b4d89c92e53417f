"""A painter over a diffusers pipeline: the one way in which pictures are drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from understudy.bases.base import Base
from understudy.bases.schedulers import make_scheduler
from understudy.domain import Picture, Pixels, Scene, Sketch, UserError
from understudy.events import Note, Notify, Step, ignore
from understudy.methods.masking import Rest, find_rest
from understudy.methods.planning import list_versions
from understudy.recipes import DrawSettings, Finetune, Learning, Recipe, place_subject
from understudy.runs import Checkpoint, Manifest, Run


class Painter(Protocol):
    """Draws a character that was learned."""

    @property
    def follows_text(self) -> bool:
        """False if the scene's words are ignored, so that following them is not judged."""
        ...

    def canvas(self, settings: DrawSettings) -> tuple[int, int]:
        """The (width, height) of the pictures; raises `UserError` for a size or scheduler that cannot be."""
        ...

    def record(self, scene: Scene, settings: DrawSettings, sketch: Sketch | None = None) -> dict[str, str]:
        """What the picture of this scene says of itself, known before it is drawn."""
        ...

    def __call__(
        self, scenes: Sequence[Scene], settings: DrawSettings, sketch: Sketch | None = None
    ) -> Iterator[Picture]:
        """One picture for each scene, in their order, all from the same sketch if there is one.

        The sketch has the canvas's size. Raises `UserError` for settings that do not fit.
        """
        ...


@dataclass(frozen=True)
class PipelinePainter:
    """Draws by the pipeline's own call, so that plain diffusers draws the same picture.

    `read` turns a scene's prompt into what the base reads; `facts` go into every picture's record; every
    denoising step is told to `notify`, which may stop the work.
    """

    base: Base
    read: Callable[[str], str]
    facts: Mapping[str, str]
    notify: Notify = ignore
    follows_text: bool = True

    def canvas(self, settings: DrawSettings) -> tuple[int, int]:
        """The settings' size, or the base's own for the side that they leave open."""
        sides = (settings.width or self.base.size_px, settings.height or self.base.size_px)
        cell = self.base.cell_px
        for side in sides:
            if side % cell:
                near = max(cell, round(side / cell) * cell)
                raise UserError(
                    f"This base draws sides of multiples of {cell} pixels: take {near} instead of {side}."
                )
        if settings.scheduler is not None:  # refused before the work, not with its first picture
            make_scheduler(settings.scheduler, self.base.pipe.scheduler.config)
        return sides

    def __call__(
        self, scenes: Sequence[Scene], settings: DrawSettings, sketch: Sketch | None = None
    ) -> Iterator[Picture]:
        """Each picture starts from noise of its own seed, made on the CPU: its batch changes last digits."""
        canvas = self.canvas(settings)
        num_steps = _count_steps(self.base, settings, sketch)
        own = self.base.size_px
        if canvas != (own, own):
            self.notify(Note(f"The base was trained at {own} x {own} pixels; other sizes come out worse."))
        note_cut_prompts(self.base, [self.read(scene.prompt) for scene in scenes], self.notify)
        starts = range(0, len(scenes), settings.batch)
        for number, first in enumerate(starts):
            some = scenes[first : first + settings.batch]
            tell = _Telling(self.notify, number * num_steps, len(starts) * num_steps, num_steps)
            drawn = self._draw(some, settings, sketch, tell)
            for scene, pixels in zip(some, drawn, strict=True):
                yield Picture(scene, pixels, self.record(scene, settings, sketch))

    def _draw(
        self, scenes: Sequence[Scene], settings: DrawSettings, sketch: Sketch | None, tell: _Telling
    ) -> Pixels:
        """A batch: (pictures, height, width, 3)."""
        width, height = self.canvas(settings)
        asked: dict[str, Any] = {
            **self.base.asking(
                [self.read(scene.prompt) for scene in scenes],
                [_negative(scene, settings) for scene in scenes],
                settings.guidance,
            ),
            "num_inference_steps": settings.steps,
            "generator": [torch.Generator("cpu").manual_seed(scene.seed) for scene in scenes],
            "output_type": "np",
            "callback_on_step_end": tell,
            "callback_on_step_end_tensor_inputs": [],
        }
        if sketch is None:
            pipe = self.base.drawing_pipe(settings.scheduler)
            images = pipe(**asked, width=width, height=height).images
        else:
            if sketch.pixels.shape[:2] != (height, width):
                raise ValueError(f"The sketch is {sketch.pixels.shape}, the canvas {width} x {height}.")
            if sketch.mask is not None:
                seeds = [scene.seed for scene in scenes]
                tell = replace(tell, rest=find_rest(self.base, sketch.pixels, sketch.mask, seeds))
                asked |= {"callback_on_step_end": tell, "callback_on_step_end_tensor_inputs": ["latents"]}
            pipe = self.base.redrawing_pipe(settings.scheduler)
            under = [Image.fromarray(sketch.pixels)] * len(scenes)
            asked |= self.base.redrawing(width, height)
            images = pipe(**asked, image=under, strength=sketch.strength).images
        pixels: Pixels = np.round(images * 255).astype(np.uint8)
        return pixels

    def record(self, scene: Scene, settings: DrawSettings, sketch: Sketch | None = None) -> dict[str, str]:
        """The wish as it is and as the base reads it, the settings, and the run's facts."""
        width, height = self.canvas(settings)
        return {
            "prompt": scene.prompt,
            "prompt_as_read": self.base.readable_part(self.read(scene.prompt)),
            "negative": _negative(scene, settings),
            "seed": str(scene.seed),
            "steps": str(settings.steps),
            "guidance": str(settings.guidance),
            "scheduler": settings.scheduler or type(self.base.pipe.scheduler).__name__,
            "width": str(width),
            "height": str(height),
            **_describe_sketch(sketch),
            **self.facts,
        }


@dataclass(frozen=True)
class _Telling:
    """Told by the pipeline after each step: tells how far the work is, and puts back what must stay.

    `done` of all `total` denoising steps were made before the batch, which makes `num_steps`.
    """

    notify: Notify
    done: int
    total: int
    num_steps: int
    rest: Rest | None = None

    def __call__(self, pipe: Any, step: int, time: object, tensors: dict[str, Any]) -> dict[str, Any]:
        # Of the pipeline's own steps, of which some schedulers take two for one.
        made = self.num_steps * (step + 1) // pipe.num_timesteps
        self.notify(Step("denoising", self.done + made, self.total))
        return {} if self.rest is None else {"latents": self.rest.put_back(pipe, step, tensors["latents"])}


def _count_steps(base: Base, settings: DrawSettings, sketch: Sketch | None) -> int:
    """How many denoising steps a picture takes: from a sketch, the last of them only, as diffusers does."""
    if sketch is None:
        return settings.steps
    num_steps = base.count_redrawn(settings.steps, sketch.strength)
    if num_steps < 1:
        raise UserError(
            f"A strength of {sketch.strength:g} leaves none of {settings.steps} steps: raise one of them."
        )
    return num_steps


def _describe_sketch(sketch: Sketch | None) -> dict[str, str]:
    if sketch is None:
        return {}
    said = {"sketch": sketch.name, "sketch_sha256": _hash(sketch.pixels), "strength": f"{sketch.strength:g}"}
    return said if sketch.mask is None else {**said, "mask_sha256": _hash(sketch.mask)}


def _hash(pixels: Pixels) -> str:
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def describe_run(run: Run, checkpoint: Checkpoint) -> dict[str, str]:
    """What a picture's record says of the run that drew it."""
    recipe, manifest = run.recipe, run.manifest
    versions = ", ".join(f"{name} {number}" for name, number in list_versions().items())
    return {
        "run": run.folder.resolve().name,
        "method": recipe.method,
        "character": manifest.name,
        "learned_steps": str(checkpoint.step),
        **_unfinished(run.recipe, checkpoint, manifest),
        "weights_sha256": ", ".join(checkpoint.sha256[file] for file in checkpoint.weights),
        **_describe_base(manifest),
        "versions": versions,
        **{f"drawings_{what}": said for what, said in asdict(manifest.rights).items()},
    }


def paint_subject(
    base: Base, recipe: Finetune, run: Run, checkpoint: Checkpoint, notify: Notify
) -> PipelinePainter:
    """The painter of a base that reads the character's words where a prompt says the name."""
    manifest = run.manifest
    words = recipe.words(manifest.name, manifest.noun)
    return PipelinePainter(
        base,
        lambda prompt: base.prompting.complete(place_subject(prompt, manifest.name, words)),
        describe_run(run, checkpoint),
        notify,
    )


def _unfinished(recipe: Recipe, checkpoint: Checkpoint, manifest: Manifest) -> dict[str, str]:
    """Of pictures that were drawn before learning was done."""
    if not isinstance(recipe, Learning) or manifest.stopped_at is not None:
        return {}
    if checkpoint.step >= recipe.steps:
        return {}
    return {"unfinished": f"learned {checkpoint.step} of {recipe.steps} steps"}


def _describe_base(manifest: Manifest) -> dict[str, str]:
    if manifest.base is None or manifest.base_sha256 is None:
        return {}
    # Never where it lies on somebody's disk.
    return {"base": Path(manifest.base).name, "base_sha256": manifest.base_sha256}


def note_cut_prompts(base: Base, prompts: Sequence[str], notify: Notify) -> None:
    """Say so, once, where a prompt is longer than what the base reads."""
    for prompt in prompts:
        part = base.readable_part(prompt)
        if part != prompt:
            notify(Note(f"A prompt is longer than what the base reads, which ends at: {part[-40:]!r}."))
            return


def _negative(scene: Scene, settings: DrawSettings) -> str:
    return scene.negative or settings.negative
