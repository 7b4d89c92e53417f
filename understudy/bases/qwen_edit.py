"""Qwen-Image-Edit: Qwen-Image that can also look at pictures, its reader as well as its transformer.

It learns, and draws what it is shown nothing for, as Qwen-Image does. Source: Wu et al., Qwen-Image,
arXiv 2508.02324, section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers import QwenImageEditPlusPipeline, QwenImagePipeline
from PIL import Image
from transformers import BatchFeature, Qwen2VLImageProcessor

from understudy.bases.noising import begin_packed
from understudy.bases.qwen import QwenBase
from understudy.domain import Pixels
from understudy.recipes import Scheduler

PICTURE = "<|image_pad|>"
"""The token that stands for a picture in the pipeline's words, and then for each part of it."""


@dataclass(frozen=True)
class QwenEditBase(QwenBase):
    """An opened base of the family."""

    opens_with = QwenImageEditPlusPipeline
    redraws_with = QwenImagePipeline
    # transformers' own needs a library for films, of which the pipeline reads none: see `PicturesInWords`.
    without = {"processor": None}  # noqa: RUF012
    max_references = 3  # huggingface.co/Qwen/Qwen-Image-Edit-2509
    shows_singly = True

    @property
    def reader(self) -> Any:
        """Qwen-Image's own pipeline, whose words do not speak of pictures; it moves nothing, only reads."""
        return self._assemble(QwenImagePipeline, None)

    def referring_pipe(self, scheduler: Scheduler | None) -> Any:
        """The pipeline that edits."""
        pipe = self._pipe(QwenImageEditPlusPipeline, scheduler)
        folder = Path(self.pipe.config["_name_or_path"]) / "processor"
        pipe.processor = PicturesInWords(pipe.tokenizer, Qwen2VLImageProcessor.from_pretrained(folder))
        return pipe

    def beginning(
        self, pipe: Any, pixels: Pixels, strength: float, steps: int, seeds: Sequence[int]
    ) -> dict[str, object]:
        """The last of the steps, from the picture as noisy as it must be before them."""
        return begin_packed(self, pipe, pixels, strength, steps, seeds)

    def showing(self, drawings: Sequence[Pixels]) -> dict[str, object]:
        """Each as a picture of its own."""
        return {"image": [Image.fromarray(drawing) for drawing in drawings]}


@dataclass(frozen=True)
class PicturesInWords:
    """What the pipeline calls its processor: makes tokens of words and of the pictures that they speak of."""

    tokenizer: Any
    image_processor: Any

    def __call__(
        self, text: Sequence[str], images: Any = None, padding: bool = True, return_tensors: str = "pt"
    ) -> BatchFeature:
        """For the words of each prompt; the pictures are named in all of them in their order."""
        seen = self.image_processor(images=images, return_tensors=return_tensors) if images else {}
        parts = [
            int(grid.prod()) // self.image_processor.merge_size**2 for grid in seen.get("image_grid_thw", ())
        ]
        spelt = [_spell_out(words, parts) for words in text]
        tokens = self.tokenizer(spelt, padding=padding, return_tensors=return_tensors)
        return BatchFeature({**tokens, **seen})


def _spell_out(words: str, parts: Sequence[int]) -> str:
    """The words with each picture's token as often as it has parts."""
    before, *others = words.split(PICTURE)
    return before + "".join(PICTURE * num + other for num, other in zip(parts, others, strict=True))
