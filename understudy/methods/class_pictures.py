"""Class pictures: what the base makes of the noun alone, so that learning one does not change all.

Source: prior preservation in Ruiz et al., DreamBooth, arXiv 2208.12242, section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from understudy.bases.sd1 import Sd1Base
from understudy.domain import Scene
from understudy.events import Notify, Step
from understudy.methods.painting import PipelinePainter
from understudy.provenance import write_picture
from understudy.recipes import DrawSettings, Finetune

BATCH = 8
"""Fixed, because the last digits of a picture depend on its batch, and going on must be exact."""


@dataclass(frozen=True)
class ClassPicture:
    """A picture of the noun in a scene."""

    path: Path
    prompt: str


def draw_class_pictures(
    base: Sd1Base, recipe: Finetune, noun: str, folder: Path, notify: Notify
) -> list[ClassPicture]:
    """The recipe's class pictures in `folder`; those that are there already are not drawn again."""
    if not recipe.has_prior:
        return []
    total = recipe.prior_pictures
    wanted = [
        ClassPicture(folder / f"{number:04d}.png", recipe.prior_prompt(number, noun))
        for number in range(total)
    ]
    painter = PipelinePainter(base, lambda prompt: prompt, {"purpose": "class picture"})
    settings = DrawSettings(steps=recipe.prior_steps, guidance=recipe.prior_guidance, batch=BATCH)
    for first in range(0, total, BATCH):
        notify(Step("class pictures", first, total))
        some = wanted[first : first + BATCH]
        if all(one.path.exists() for one in some):
            continue
        # Seeds of their own: class pictures never start from the noise of a picture that is asked for.
        seeds = [_SEEDS * (recipe.seed + 1) + first + place for place in range(len(some))]
        scenes = [Scene(one.prompt, seed) for one, seed in zip(some, seeds, strict=True)]
        for one, picture in zip(some, painter(scenes, settings), strict=True):
            write_picture(one.path, picture.pixels, picture.record)
    notify(Step("class pictures", total, total))
    return wanted


_SEEDS = 1_000_003
