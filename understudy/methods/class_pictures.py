"""Class pictures: what the base makes of the noun alone, so that learning one does not change all.

Source: prior preservation in Ruiz et al., DreamBooth, arXiv 2208.12242, section 3.3.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from understudy.bases.base import Base
from understudy.domain import Scene
from understudy.events import Notify, Step
from understudy.methods.painting import PipelinePainter
from understudy.provenance import write_picture
from understudy.recipes import DrawSettings, Finetune
from understudy.runs import Plan

BATCH = 8
SMALL_BATCH = 2
"""Where the plan offloads. Fixed, because the last digits of a picture depend on its batch, and going on must
be exact."""


@dataclass(frozen=True)
class ClassPicture:
    """A picture of the noun in a scene."""

    path: Path
    prompt: str


def draw_class_pictures(
    base: Base, recipe: Finetune, noun: str, folder: Path, notify: Notify
) -> list[ClassPicture]:
    """The recipe's class pictures in `folder`; batches that are there already are not drawn again."""
    if not recipe.has_prior:
        return []
    total = recipe.prior_pictures
    wanted = [
        ClassPicture(folder / f"{number:04d}.png", recipe.prior_prompt(number, noun))
        for number in range(total)
    ]
    batch = batch_of(base.plan)
    missing = _in_broken_batches(wanted, batch)
    if not missing:  # who asks again what they are is told nothing
        return wanted
    scenes = [Scene(wanted[number].prompt, _seed(recipe.seed, number)) for number in missing]
    painter = PipelinePainter(base, lambda prompt: prompt, {"purpose": "class picture"}, notify)
    side = base.size_px
    settings = DrawSettings(
        steps=recipe.prior_steps, guidance=recipe.prior_guidance, batch=batch, width=side, height=side
    )
    done = total - len(missing)
    notify(Step("class pictures", done, total))
    for number, picture in zip(missing, painter(scenes, settings), strict=True):
        write_picture(wanted[number].path, picture.pixels, picture.record)
        done += 1
        notify(Step("class pictures", done, total))
    return wanted


def batch_of(plan: Plan) -> int:
    """How many are drawn at once."""
    return BATCH if plan.offload == "none" else SMALL_BATCH


def _in_broken_batches(wanted: list[ClassPicture], size: int) -> list[int]:
    """The numbers of all pictures of the batches that are not whole."""
    numbers = range(len(wanted))
    batches = [numbers[first : first + size] for first in range(0, len(wanted), size)]
    broken = [batch for batch in batches if not all(_is_whole(wanted[number].path) for number in batch)]
    return [number for batch in broken for number in batch]


def _is_whole(path: Path) -> bool:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            image.load()
    except (OSError, SyntaxError):
        return False
    return True


def _seed(seed: int, number: int) -> int:
    """From 2**62 on, where nobody's seeds are: it shares its noise with no picture that is asked for."""
    digest = hashlib.sha256(f"class picture {seed} {number}".encode()).digest()
    return 2**62 + int.from_bytes(digest[:8], "little") % 2**62
