"""Examines a base on its own world: 200 fixed scenes are drawn from their captions and read by the judge."""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from understudy.domain import Attributes, Pixels
from understudy.judges.puppet import PuppetJudge
from understudy.judges.quality import wilson
from understudy.world.captions import full_caption, noun, visible
from understudy.world.characters import sample_traits
from understudy.world.scenes import sample_attributes

NUM_SCENES = 200
SEED = 77_000


def questions(count: int = NUM_SCENES) -> list[tuple[str, Attributes]]:
    """Captions that say everything, and what they say; always the same ones."""
    asked = []
    for number in range(count):
        rng = random.Random(f"exam {number}")
        traits = sample_traits(rng)
        attributes = sample_attributes(rng, traits["kind"])
        written = full_caption(attributes, traits, noun(attributes, rng), rng)
        asked.append((written.text, visible(Attributes(**written.attributes.said()))))
    return asked


@torch.no_grad()
def draw_answers(
    pipe: StableDiffusionPipeline,
    prompts: Sequence[str],
    guidance: float = 4.0,
    steps: int = 20,
    batch: int = 20,
) -> list[Pixels]:
    """One picture (height, width, 3) for each prompt, its noise from its own seed."""
    channels, cells = pipe.unet.config.in_channels, pipe.unet.config.sample_size
    pictures: list[Pixels] = []
    for start in range(0, len(prompts), batch):
        some = list(prompts[start : start + batch])
        noise = [
            torch.randn(
                (channels, cells, cells), generator=torch.Generator().manual_seed(SEED + start + place)
            )
            for place in range(len(some))
        ]
        found = pipe(
            some,
            latents=torch.stack(noise),
            guidance_scale=guidance,
            num_inference_steps=steps,
            output_type="np",
        ).images
        pictures += [(image * 255).round().astype(np.uint8) for image in found]
    return pictures


def mark(pictures: Sequence[Pixels], asked: Sequence[Attributes], judge: PuppetJudge) -> dict[str, Any]:
    """The share right for each attribute over the scenes that ask for it, and the mean over attributes."""
    read = [reading.attributes for reading in judge.read(pictures)]
    figures: dict[str, Any] = {}
    shares = []
    for name in Attributes().__dataclass_fields__:
        pairs = [
            (w.said()[name], r.said().get(name)) for w, r in zip(asked, read, strict=True) if name in w.said()
        ]
        if not pairs:
            continue
        right = sum(wish == found for wish, found in pairs)
        low, high = wilson(right, len(pairs))
        shares.append(right / len(pairs))
        figures[name] = {
            "right": round(right / len(pairs), 3),
            "low": round(low, 3),
            "high": round(high, 3),
            "n": len(pairs),
        }
    figures["mean"] = round(sum(shares) / len(shares), 3)
    return figures


def shares_right(
    pipe: StableDiffusionPipeline, judge: PuppetJudge, count: int = NUM_SCENES
) -> dict[str, float]:
    """The share right for each attribute and their mean, for a training's log."""
    pipe.set_progress_bar_config(disable=True)
    asked = questions(count)
    pictures = draw_answers(pipe, [prompt for prompt, _ in asked])
    found = mark(pictures, [wish for _, wish in asked], judge)
    return {f"right_{name}": row["right"] if isinstance(row, dict) else row for name, row in found.items()}


def sheet(pictures: Sequence[Pixels], columns: int = 10) -> Image.Image:
    """Pictures side by side."""
    rows = [np.concatenate(list(pictures[i : i + columns]), axis=1) for i in range(0, len(pictures), columns)]
    return Image.fromarray(np.concatenate([row for row in rows if row.shape == rows[0].shape]))


def main() -> None:
    """Draw the scenes, write figures and a contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=NUM_SCENES)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    pipe = StableDiffusionPipeline.from_pretrained(args.base, safety_checker=None, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    asked = questions(args.count)
    pictures = draw_answers(pipe, [prompt for prompt, _ in asked])
    sheet(pictures).save(args.out / "sheet.png")
    figures = mark(pictures, [wish for _, wish in asked], PuppetJudge(args.judge))
    (args.out / "exam.json").write_text(json.dumps(figures, indent=1))
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
