"""A run keeps its drawings exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from understudy.domain import Character, Drawing, UserError
from understudy.drawings.keep import keep_drawings, kept_character
from understudy.recipes import PromptOnly
from understudy.runs import Manifest, Plan, Run, begin_run, record_drawings

RANDOM = np.random.default_rng(0)


def noise(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def begin(folder: Path, character: Character) -> Run:
    manifest = Manifest(
        name=character.name,
        noun=character.noun,
        drawings=record_drawings(character),
        base="puppet",
        base_sha256="0",
        plan=Plan(device="cpu", precision="fp32", threads=1),
        versions={},
    )
    with begin_run(folder, PromptOnly(), manifest) as run:
        return run


def test_drawings_come_back_as_they_were(tmp_path: Path) -> None:
    drawings = (
        Drawing(Path("b.jpg"), noise(20, 30, 3), 'waving, "hello"'),
        Drawing(Path("a.png"), noise(9, 7, 3), "", noise(9, 7)),
    )
    character = Character("Mo", "girl", drawings)
    run = begin(tmp_path / "run", character)
    keep_drawings(character, run)
    kept = kept_character(run)
    assert (kept.name, kept.noun) == ("Mo", "girl")
    for before, after in zip(drawings, kept.drawings, strict=True):
        assert after.caption == before.caption
        assert (after.pixels == before.pixels).all()
        assert (after.mask is None) == (before.mask is None)
        assert before.mask is None or (after.mask == before.mask).all()


def test_a_run_without_its_drawings_says_so(tmp_path: Path) -> None:
    run = begin(tmp_path / "run", Character("Mo", "girl", (Drawing(Path("a.png"), noise(4, 4, 3), ""),)))
    with pytest.raises(UserError, match="same learn command"):
        kept_character(run)


@pytest.mark.parametrize(
    ("file", "content"), [("01.png", b"half"), ("captions.csv", b"01.png"), ("captions.csv", b"\x00\xff")]
)
def test_only_damaged_drawings_are_written_again(file: str, content: bytes, tmp_path: Path) -> None:
    character = Character("Mo", "girl", (Drawing(Path("a.png"), noise(4, 4, 3), "waving"),))
    run = begin(tmp_path / "run", character)
    keep_drawings(character, run)
    path = run.folder / "drawings" / file
    before = path.stat().st_mtime_ns
    keep_drawings(character, run)
    assert path.stat().st_mtime_ns == before
    path.write_bytes(content)
    with pytest.raises(UserError, match="same learn command"):
        kept_character(run)
    keep_drawings(character, run)
    assert (kept_character(run).drawings[0].pixels == character.drawings[0].pixels).all()


@pytest.mark.parametrize("mode", ["L", "P", "LA", "1"])
def test_smaller_copies_are_read_and_only_in_the_folder(mode: str, tmp_path: Path) -> None:
    character = Character("Mo", "girl", (Drawing(Path("a.png"), noise(4, 4, 3), "waving"),))
    run = begin(tmp_path / "run", character)
    keep_drawings(character, run)
    Image.new(mode, (4, 4)).save(run.folder / "drawings" / "01.png")
    (run.folder / "drawings" / "captions.csv").write_text("../../elsewhere/01.png,waving")
    (drawing,) = kept_character(run).drawings
    assert drawing.pixels.shape == (4, 4, 3)
    assert (drawing.mask is not None) == (mode == "LA")
