"""A hero's drawings and scenes as files, as an artist would hand them in."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from understudy.domain import Attributes, Pixels, UserError
from understudy.world.captions import parse
from understudy.world.heroes import Hero, drawings, oracle, wished

CAPTIONS_FILE = "captions.csv"


def write_drawings(hero: Hero, folder: Path) -> list[Path]:
    """Write the hero's six drawings and `captions.csv` into `folder`, and return their paths.

    Raises `UserError` where a file of one of these names holds something else.
    """
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("file", "caption"))
    files = {}
    for drawing in drawings(hero):
        files[folder / drawing.filename] = _png(drawing.pixels)
        rows.writerow((drawing.filename, drawing.caption))
    _write({**files, folder / CAPTIONS_FILE: table.getvalue().encode()})
    return [*files, folder / CAPTIONS_FILE]


def write_scene(hero: Hero, prompt: str, folder: Path, seed: int = 0) -> Path:
    """Write the hero's true picture of what `prompt` asks for; raises `UserError` as `wish` does."""
    slug = re.sub(r"\W+", "-", prompt).strip("-").lower()[:60] or "scene"
    path = folder / f"{hero.name.lower()}-{slug}.png"
    _write({path: _png(oracle(hero, wish(hero, prompt), seed).pixels)})
    return path


def wish(hero: Hero, prompt: str) -> Attributes:
    """What `prompt` asks the hero to do; raises `UserError` where the world cannot draw just that."""
    if not prompt.strip():
        raise UserError("The scene is empty: say what the picture shows.")
    parsed = parse(prompt, hero.name)
    if parsed.not_judged:
        unknown = ", ".join(repr(words) for words in parsed.not_judged)
        raise UserError(f"The world does not know {unknown}: ask for something else.")
    asked, shown = parsed.attributes.said(), wished(parsed.attributes).said()
    hidden = [value.replace("_", " ") for name, value in asked.items() if shown[name] != value]
    if hidden:
        where = "seen from behind" if asked.get("view") == "back" else "in a portrait"
        raise UserError(f"A character {where} cannot be {' or '.join(hidden)}: ask for something else.")
    return parsed.attributes


def _png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _write(files: Mapping[Path, bytes]) -> None:
    """Write the files, each whole or not at all; none where another file lies in its place."""
    for path, content in files.items():
        if path.exists() and not _is_same(path, content):
            raise UserError(f"{path} is there already and is something else: give another folder.")
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        draft.write_bytes(content)
        draft.replace(path)


def _is_same(path: Path, content: bytes) -> bool:
    """Whether a file holds this text or, however it was compressed, this picture."""
    if path.suffix != ".png":
        return path.read_bytes() == content
    try:
        with Image.open(path) as old, Image.open(io.BytesIO(content)) as new:
            return old.mode == new.mode and np.array_equal(np.asarray(old), np.asarray(new))
    except (OSError, SyntaxError, ValueError):
        return False
