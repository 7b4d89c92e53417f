"""A painter over a diffusers pipeline: the one way in which pictures are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import torch

from understudy.bases.base import Base
from understudy.bases.schedulers import check_steps, make_scheduler
from understudy.domain import Drawing, Picture, Pixels, Scene, Sketch, UserError
from understudy.events import Note, Notify, ignore
from understudy.methods.hastening import NOT_HASTENED, Hastened, hasten
from understudy.methods.learned_decoder import load_decoder
from understudy.methods.masking import find_rest
from understudy.methods.opening import base_of
from understudy.methods.records import describe_run, describe_sketch
from understudy.methods.references import References, check_references, show
from understudy.methods.telling import Telling
from understudy.recipes import DrawSettings, Faster, Finetune, Reference, place_subject
from understudy.runs import Checkpoint, Run


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
    """Draws by the pipeline's own call, so that plain diffusers draws the same picture; see
    `follow_noise` for an adapter whose rank falls with noise.

    `read` turns a scene's prompt into what the base reads; `facts` go into every picture's record; every
    denoising step is told to `notify`, which may stop the work. `references` are what it can be shown, and
    `hastened` says how it was opened to draw faster.
    """

    base: Base
    read: Callable[[str], str]
    facts: Mapping[str, str]
    notify: Notify = ignore
    references: References | None = None
    hastened: Hastened = NOT_HASTENED
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
        check_steps(settings.steps, self.base.pipe.scheduler.config)
        check_references(self.base, settings)
        self.hastened.check(settings)
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
        batches = self._in_batches(scenes, settings)
        for number, some in enumerate(batches):
            tell = Telling(self.notify, number * num_steps, len(batches) * num_steps, num_steps)
            drawn = self._draw(some, settings, sketch, tell)
            for scene, pixels in zip(some, drawn, strict=True):
                yield Picture(scene, pixels, self.record(scene, settings, sketch))

    def shown(self, scene: Scene, settings: DrawSettings) -> tuple[Drawing, ...]:
        """The drawings that the base is shown for a scene."""
        return () if self.references is None else self.references.shown(scene, settings)

    def _in_batches(self, scenes: Sequence[Scene], settings: DrawSettings) -> list[list[Scene]]:
        """In their order; the base is shown the same drawings for all of a batch.

        Many families draw otherwise as soon as there is a negative prompt: all of a batch have one, or none.
        """

        def kind(scene: Scene) -> tuple[bool, bool]:
            return bool(self.shown(scene, settings)), bool(_negative(scene, settings))

        batches = []
        for (is_shown, _), some in groupby(scenes, kind):
            is_single = self.hastened.draws_singly or (is_shown and self.base.shows_singly)
            alike, size = list(some), 1 if is_single else settings.batch
            batches += [alike[first : first + size] for first in range(0, len(alike), size)]
        return batches

    def _draw(
        self, scenes: Sequence[Scene], settings: DrawSettings, sketch: Sketch | None, tell: Telling
    ) -> Pixels:
        """A batch whose scenes are all shown the same: (pictures, height, width, 3)."""
        width, height = self.canvas(settings)
        shown = self.shown(scenes[0], settings)
        pipe = self._open_pipe(bool(shown), sketch, settings)
        self.hastened.begin(self.base, pipe.scheduler)
        asked: dict[str, Any] = {
            **self.base.asking(
                [self.read(scene.prompt) for scene in scenes],
                [_negative(scene, settings) for scene in scenes],
                settings.guidance,
            ),
            **show(self.base, shown),
            "num_inference_steps": settings.steps,
            "generator": [torch.Generator("cpu").manual_seed(scene.seed) for scene in scenes],
            "output_type": "np",
            "callback_on_step_end": tell,
            "callback_on_step_end_tensor_inputs": [],
        }
        if sketch is None:
            asked |= self.base.sizing(width, height)
        elif sketch.pixels.shape[:2] == (height, width):
            asked |= self._begin(pipe, sketch, scenes, settings, tell)
        else:
            raise ValueError(f"The sketch is {sketch.pixels.shape}, the canvas {width} x {height}.")
        images = pipe(**asked).images
        pixels: Pixels = np.round(images * 255).astype(np.uint8)
        return pixels

    def _open_pipe(self, is_shown: bool, sketch: Sketch | None, settings: DrawSettings) -> Any:
        base = self.base
        if sketch is None:
            return (base.referring_pipe if is_shown else base.drawing_pipe)(settings.scheduler)
        return (base.referring_redrawing_pipe if is_shown else base.redrawing_pipe)(settings.scheduler)

    def _begin(
        self, pipe: Any, sketch: Sketch, scenes: Sequence[Scene], settings: DrawSettings, tell: Telling
    ) -> dict[str, Any]:
        """What the pipeline is given to begin from the sketch, and to leave what its mask leaves."""
        seeds = [scene.seed for scene in scenes]
        begun = self.base.beginning(pipe, sketch.pixels, sketch.strength, settings.steps, seeds)
        if sketch.mask is None:
            return begun
        tell = replace(tell, rest=find_rest(self.base, sketch.pixels, sketch.mask, seeds))
        return {
            **begun,
            "callback_on_step_end": tell,
            "callback_on_step_end_tensor_inputs": ["latents"],
        }

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
            **describe_sketch(sketch),
            **({} if self.references is None else self.references.describe(scene, settings)),
            **self.hastened.facts,
            **self.facts,
        }


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


def paint_subject(
    base: Base,
    recipe: Finetune | Reference,
    run: Run,
    checkpoint: Checkpoint,
    notify: Notify,
    faster: Faster,
    references: References | None = None,
) -> PipelinePainter:
    """The painter of a base that reads the character's words, and may be shown it, where a prompt says it.

    The base has what was learned, but for the decoder, which it gets here; it is made to draw as `faster`
    says.
    """
    manifest = run.manifest
    words = recipe.words(manifest.name, manifest.noun)
    decoder = {} if isinstance(recipe, Reference) else load_decoder(base, recipe, run, notify)
    return PipelinePainter(
        base,
        lambda prompt: base.prompting.complete(place_subject(prompt, manifest.name, words)),
        {**describe_run(run, checkpoint), **decoder},
        notify,
        references or References(run),
        hasten(base, base_of(run), faster, notify),
    )


def note_cut_prompts(base: Base, prompts: Sequence[str], notify: Notify) -> None:
    """Say so, once, where a prompt is longer than what the base reads."""
    for prompt in prompts:
        part = base.readable_part(prompt)
        if part != prompt:
            notify(Note(f"A prompt is longer than what the base reads, which ends at: {part[-40:]!r}."))
            return


def _negative(scene: Scene, settings: DrawSettings) -> str:
    return scene.negative or settings.negative
