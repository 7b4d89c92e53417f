"""A hero's drawings and scenes as files, as an artist would hand them in."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from PIL import Image

from understudy.domain import Attributes, Pixels, UserError
from understudy.world.captions import parse
from understudy.world.heroes import Hero, drawings, oracle


def write_drawings(hero: Hero, folder: Path) -> list[Path]:
    """Write the hero's six drawings and `captions.csv` into `folder`, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("file", "caption"))
    paths = []
    for drawing in drawings(hero):
        paths.append(_write_png(folder / drawing.filename, drawing.pixels))
        rows.writerow((drawing.filename, drawing.caption))
    captions = folder / "captions.csv"
    captions.write_text(table.getvalue(), encoding="utf-8")
    return [*paths, captions]


def write_scene(hero: Hero, prompt: str, folder: Path, seed: int = 0) -> Path:
    """Write the hero's true picture of what `prompt` asks for; raises `UserError` as `wish` does."""
    name = re.sub(r"\W+", "-", prompt).strip("-").lower()[:60] or "scene"
    folder.mkdir(parents=True, exist_ok=True)
    return _write_png(folder / f"{name}.png", oracle(hero, wish(hero, prompt), seed).pixels)


def wish(hero: Hero, prompt: str) -> Attributes:
    """What `prompt` asks the hero to do; raises `UserError` where the world does not understand it."""
    parsed = parse(prompt, hero.name)
    if parsed.not_judged:
        unknown = ", ".join(repr(words) for words in parsed.not_judged)
        raise UserError(f"The world does not know {unknown}: ask for something else.")
    return parsed.attributes


def _write_png(path: Path, pixels: Pixels) -> Path:
    Image.fromarray(pixels).save(path, "PNG")
    return path
