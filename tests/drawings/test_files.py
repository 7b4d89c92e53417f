"""Every kind of file: read right, or one sentence and exit code 2."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.drawings.files import ALPHA, BAD, GOOD, HEIGHT, PIXELS, WIDTH, picture, saved
from understudy.cli import run_command
from understudy.drawings.colours import MAX_SIDE_PX
from understudy.drawings.formats import SVG_SIDE_PX
from understudy.drawings.read import read_character
from understudy.events import Event, Note


def notes(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]


def test_the_kinds_are_many() -> None:
    assert len(GOOD) + len(BAD) >= 60


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_file_is_read_right(kind: str, tmp_path: Path) -> None:
    good = GOOD[kind]
    (tmp_path / good.name).write_bytes(good.make())
    events: list[Event] = []
    (drawing,) = read_character(tmp_path, "Mo", notify=events.append).drawings
    pixels, mask = drawing.pixels, drawing.mask
    if good.name.endswith(".svg"):
        assert pixels.shape[1] == SVG_SIDE_PX
        pixels = np.asarray(Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST))
    assert pixels.shape == good.pixels.shape
    assert pixels.dtype == np.uint8
    # What is lost in saving gathers where two fields meet.
    rim = 8 if good.tolerance else 0
    for row, column in ((0, 0), (0, 48), (40, 0), (40, 48)):
        field = np.s_[row + rim : row + 40 - rim, column + rim : column + 48 - rim]
        distance = np.abs(pixels[field].astype(int) - good.pixels[field])
        assert distance.max() <= good.tolerance, (kind, row, column, pixels[field][0, 0])
    assert (mask is not None) == good.is_masked
    if mask is not None and not good.name.endswith(".svg"):
        assert (mask == ALPHA).mean() > (0.9 if good.tolerance else 0.9999)
    said = notes(events)
    assert len(said) == bool(good.remark)
    assert all(f"{good.name}: {good.remark}" in text for text in said)


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_one_sentence_and_exit_code_2(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, make, part = BAD[kind]
    folder = tmp_path / "drawings"
    folder.mkdir()
    (folder / name).write_bytes(make())
    elsewhere = ["--run", str(tmp_path / "run")]
    assert run_command(["learn", str(folder), "--name", "Mo", *elsewhere]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("understudy: No drawing in ")
    assert name in err
    assert part in err
    assert err.count("\n") == 1
    assert err.endswith(".\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_among_good_ones_is_named_and_left_out(kind: str, tmp_path: Path) -> None:
    name, make, part = BAD[kind]
    (tmp_path / name).write_bytes(make())
    (tmp_path / "good.png").write_bytes(saved(picture(), "PNG"))
    events: list[Event] = []
    (drawing,) = read_character(tmp_path, "Mo", notify=events.append).drawings
    assert drawing.path.name == "good.png"
    assert (drawing.pixels == PIXELS).all()
    (note,) = notes(events)
    assert note.startswith(f"{name} is left out: it ")
    assert part in note
    assert note.endswith(".")


@pytest.mark.parametrize(
    ("kind", "module", "wheel"),
    [
        ("heic", "pillow_heif", "pillow-heif"),
        ("svg", "resvg_py", "resvg-py"),
        ("psd", "psd_tools", "psd-tools"),
    ],
)
def test_a_missing_wheel_is_named(
    kind: str, module: str, wheel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = GOOD[kind]
    (tmp_path / good.name).write_bytes(good.make())
    (tmp_path / "good.png").write_bytes(saved(picture(), "PNG"))
    monkeypatch.setitem(sys.modules, module, None)
    events: list[Event] = []
    assert len(read_character(tmp_path, "Mo", notify=events.append).drawings) == 1
    (note,) = notes(events)
    assert f"pip install {wheel}" in note


@pytest.mark.parametrize(
    ("size", "read"), [((3000, 1500), (2048, 1024)), ((64, 10), (64, 10)), ((9, 200), (9, 200))]
)
def test_sizes(size: tuple[int, int], read: tuple[int, int], tmp_path: Path) -> None:
    Image.new("RGB", size, "red").save(tmp_path / "a.png")
    pixels = read_character(tmp_path, "Mo").drawings[0].pixels
    assert pixels.shape == (read[1], read[0], 3)
    assert (pixels == (255, 0, 0)).all()


@pytest.mark.parametrize("mode", ["1", "P"])
def test_scales_lines_down_smoothly(tmp_path: Path, mode: str) -> None:
    lines = np.zeros((8, 2 * MAX_SIDE_PX), np.uint8)
    lines[:, ::2] = 255
    Image.fromarray(lines).convert(mode).save(tmp_path / "a.png")
    pixels = read_character(tmp_path, "Mo").drawings[0].pixels
    assert abs(pixels[:, 8:-8].astype(int) - 128).max() < 40


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "tiff lzw", "avif", "heic", "psd", "svg"])
def test_damaged_bytes_never_end_in_a_traceback(kind: str, tmp_path: Path) -> None:
    """Whatever byte is wrong: pixels or a note, nothing else."""
    content = GOOD[kind].make()
    random = np.random.default_rng(3)
    (tmp_path / "good.png").write_bytes(saved(Image.new("RGB", (70, 70), "white"), "PNG"))
    for number in range(12):
        damaged = bytearray(content)
        for place in random.integers(0, len(content), 4):
            damaged[place] = int(random.integers(0, 256))
        (tmp_path / f"{number}-{GOOD[kind].name}").write_bytes(damaged)
    events: list[Event] = []
    character = read_character(tmp_path, "Mo", notify=events.append)
    left_out = [text for text in notes(events) if " is left out: " in text]
    assert len(character.drawings) + len(left_out) == 13
