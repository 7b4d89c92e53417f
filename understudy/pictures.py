"""Scenes become PNG files with a record beside them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from understudy.domain import FOLLOWS_TEXT, Picture, Scene
from understudy.events import Drew, Note, Notify, Step, ignore
from understudy.methods import open_painter
from understudy.provenance import write_picture
from understudy.recipes import DrawSettings
from understudy.runs import StrPath, open_run

MAX_SLUG = 60


def draw(
    run: StrPath,
    scenes: Sequence[Scene | str],
    settings: DrawSettings | None = None,
    out: StrPath | None = None,
    notify: Notify = ignore,
    device: str = "auto",
) -> list[Path]:
    """Draw one picture for each scene and return their files, in the order of the scenes.

    A plain prompt is a scene with seed 0. The files lie in `out`, or in the run's folder `pictures`; the
    identical call writes the identical files. Raises `UserError` as `open_painter` does.
    """
    opened = open_run(run)
    folder = Path(out) if out is not None else opened.pictures
    wishes = [Scene(scene) if isinstance(scene, str) else scene for scene in scenes]
    files: list[Path] = []
    with open_painter(opened, device=device, notify=notify) as painter:
        notify(Step("drawing", 0, len(wishes)))
        if not painter.follows_text:
            notify(Note("This method ignores the words of a prompt: it draws the character as it likes."))
        for picture in painter(wishes, settings or DrawSettings()):
            if not painter.follows_text:
                picture = replace(picture, record={**picture.record, FOLLOWS_TEXT: "no"})
            files.append(save_picture(picture, folder))
            notify(Drew(files[-1]))
            notify(Step("drawing", len(files), len(wishes)))
    return files


def seeded_scenes(prompts: Sequence[str], count: int, seed: int = 0, negative: str = "") -> list[Scene]:
    """Each prompt `count` times, with the seeds `seed`, `seed` + 1, ..."""
    return [Scene(prompt, seed + number, negative) for prompt in prompts for number in range(count)]


def save_picture(picture: Picture, folder: Path) -> Path:
    """Write a picture and its record under a name that says its prompt and seed; returns the PNG."""
    slug = re.sub(r"\W+", "-", picture.scene.prompt.lower()).strip("-")[:MAX_SLUG].rstrip("-") or "picture"
    # Part of the name, so that other settings or weights never overwrite this picture.
    digest = hashlib.sha256(repr(sorted(picture.record.items())).encode()).hexdigest()[:6]
    path = folder / f"{slug}-{picture.scene.seed}-{digest}.png"
    write_picture(path, picture.pixels, picture.record)
    return path
