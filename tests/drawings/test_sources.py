"""Folders, files and zips; captions and masks beside the drawings; nothing dropped without a word."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from understudy.domain import UserError
from understudy.drawings import sources
from understudy.drawings.read import read_character
from understudy.events import Event, Note

COLOURS = ("red", "green", "blue", "black")


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    image = Image.new("RGB", (80, 70), "white")
    image.paste(colour, (20, 10, 60, 70))
    image.save(buffer, "PNG")
    return buffer.getvalue()


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, colour in zip(names, COLOURS, strict=False):
        (folder / name).write_bytes(png(colour))
    return folder


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def read(*paths: Path) -> tuple[list[str], list[str]]:
    """The names of what is read, and the notes."""
    events: list[Event] = []
    drawings = read_character(paths, "Mo", notify=events.append).drawings
    return [drawing.path.name for drawing in drawings], [e.text for e in events if isinstance(e, Note)]


def test_many_paths_in_the_order_given(tmp_path: Path) -> None:
    fill(tmp_path / "a", "2.png", "1.png")
    (tmp_path / "z.png").write_bytes(png("blue"))
    archive = packed(tmp_path / "b.zip", {"4.png": png("black")})
    assert read(archive, tmp_path / "a", tmp_path / "z.png") == (["4.png", "1.png", "2.png", "z.png"], [])


@pytest.mark.parametrize("inside", ["", "mo/", "home/mo/"])
def test_a_zip_also_with_a_folder_inside(inside: str, tmp_path: Path) -> None:
    files = {f"{inside}1.png": png("red"), f"{inside}2.png": png("blue"), "__MACOSX/._1.png": b"x"}
    files[f"{inside}captions.csv"] = b"file,caption\n1.png,waving\n"
    archive = packed(tmp_path / "a.zip", files)
    drawings = read_character(archive, "Mo").drawings
    assert [drawing.caption for drawing in drawings] == ["waving", ""]
    assert (drawings[0].pixels[40, 40] == (255, 0, 0)).all()


def test_a_folder_in_a_folder_stands_for_it(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "mo", "1.png")
    assert read(tmp_path / "a") == (["1.png"], [])


def test_a_zip_points_nowhere_and_unpacks_nothing(tmp_path: Path) -> None:
    archive = packed(
        tmp_path / "a.zip", {"../out.png": png("red"), "/abs.png": png("blue"), "1.png": png("black")}
    )
    names, notes = read(archive)
    assert names == ["1.png"]
    assert notes == ["left out as no drawings: ../out.png, /abs.png."]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_zips_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no.zip").write_bytes(b"PK nothing")
    with pytest.raises(UserError, match="as a zip"):
        read(tmp_path / "no.zip")
    monkeypatch.setattr(sources, "MAX_UNPACKED_BYTES", 2**20)
    with pytest.raises(UserError, match="unpack"):
        read(packed(tmp_path / "bomb.zip", {"1.png": bytes(2**20 + 1)}))


def test_a_damaged_file_in_a_zip_is_named(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", {"1.png": png("red"), "2.png": png("blue")})
    content = bytearray(archive.read_bytes())
    content[60:70] = bytes(10)
    archive.write_bytes(content)
    names, notes = read(archive)
    assert names == ["2.png"]
    assert notes == ["1.png is left out: it is damaged in its zip; pack it again."]


def test_what_is_no_drawing_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "1.png")
    fill(tmp_path / "old", "3.png")
    for name in ("notes.txt", "README.md", ".hidden.png", "Thumbs.db"):
        (tmp_path / name).write_text("x")
    (tmp_path / "rights.toml").write_text('artist = "Ada"')
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere")
    names, notes = read(tmp_path)
    assert names == ["1.png"]
    assert notes == [
        "left out as no drawings: README.md, notes.txt, lost.png, pipe.png.",
        "sub-folders are not read: old; give them too if they belong.",
    ]


def test_paths_that_are_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    fill(tmp_path / "a" / "b", "1.png")
    fill(tmp_path / "a" / "c", "1.png")
    for path, part in (
        (tmp_path / "no", "no folder"),
        (tmp_path / "pipe", "neither"),
        (tmp_path / "a", "b, c"),
    ):
        with pytest.raises(UserError, match=part):
            read(path)
    with pytest.raises(UserError, match="another path"):
        read(tmp_path / ("x" * 5000))

    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(UserError, match="Permission denied"):
        read(tmp_path / "a")


def test_captions_of_three_kinds(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "2.png", "3.png", "4.png")
    (tmp_path / "captions.csv").write_text("file,caption\n1.png,waving\n")
    rows = ({"file_name": "2.png", "text": "sad,\nside view"}, {"file_name": "4.png"})
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "3.txt").write_text("\ufeffjumping\n", encoding="utf-8")
    drawings = read_character(tmp_path, "Mo").drawings
    assert [drawing.caption for drawing in drawings] == ["waving", "sad, side view", "jumping", ""]


def test_single_files_take_the_captions_beside_them(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "2.png")
    (tmp_path / "captions.csv").write_text("file,caption\n1.png,waving\n2.png,sad\n")
    drawings = read_character([tmp_path / "2.png"], "Mo").drawings
    assert [drawing.caption for drawing in drawings] == ["sad"]


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("metadata.jsonl", "{", "Line 1"),
        ("metadata.jsonl", "[]", "lacks"),
        ("metadata.jsonl", '{"file_name": "1.png", "text": 3}', "lacks"),
        ("metadata.jsonl", '{"file_name": "9.png", "text": "x"}', "'9.png'"),
        ("metadata.jsonl", "[" * 100_000, "JSON"),
        ("1.txt", "sad", "another"),
    ],
)
def test_mistakes_in_captions(name: str, text: str, part: str, tmp_path: Path) -> None:
    fill(tmp_path, "1.png")
    (tmp_path / "captions.csv").write_text("file,caption\n1.png,waving\n")
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=part):
        read(tmp_path)


@pytest.mark.parametrize("name", ["1.mask.png", "masks/1.png"])
def test_a_given_mask_is_taken(name: str, tmp_path: Path) -> None:
    fill(tmp_path, "1.png")
    mask = Image.new("L", (160, 140))
    mask.paste(255, (0, 0, 80, 140))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    mask.save(tmp_path / name)
    (drawing,) = read_character(tmp_path, "Mo").drawings
    assert drawing.mask is not None
    assert (drawing.mask[:, :39] == 255).all()
    assert not drawing.mask[:, 41:].any()


def test_a_mask_that_does_not_fit_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "1.png")
    Image.new("L", (100, 200), 255).save(tmp_path / "1.mask.png")
    names, notes = read(tmp_path)
    assert names == ["1.png"]
    assert notes == [
        "The mask 1.mask.png is not used: it is 100 x 200 and its drawing 80 x 70; cut both alike."
    ]


def test_duplicates_are_named_and_the_one_with_a_caption_stays(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "2.png")
    image = Image.open(io.BytesIO(png("red")))
    image.save(tmp_path / "3.bmp")
    (tmp_path / "3.txt").write_text("waving")
    image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(tmp_path / "4.png")
    image.resize((160, 140)).save(tmp_path / "5.jpg", quality=60)
    names, notes = read(tmp_path)
    assert names == ["2.png", "3.bmp", "4.png", "5.jpg"]
    assert notes == [
        "1.png is left out: it shows the same pixels as 3.bmp, and would count twice.",
        "5.jpg looks like 3.bmp saved again: both count, so leave one out if it is.",
    ]


@pytest.mark.parametrize("paper", ["#f4ecd8", "rgb(244, 236, 216)", "hsl(43, 56%, 90%)"])
def test_a_chosen_paper_lies_under_transparency(paper: str, tmp_path: Path) -> None:
    Image.new("RGBA", (80, 80), (0, 0, 0, 0)).save(tmp_path / "a.png")
    layers = np.zeros((80, 80, 4), np.uint8)
    layers[20:60, 20:60] = (200, 0, 0, 255)
    Image.fromarray(layers).save(tmp_path / "a.png")
    (drawing,) = read_character(tmp_path, "Mo", paper=paper).drawings
    assert np.abs(drawing.pixels[0, 0].astype(int) - (244, 236, 216)).max() <= 1
    assert (drawing.pixels[40, 40] == (200, 0, 0)).all()


@pytest.mark.parametrize("paper", ["papyrus", "#12345", "", "rgba(0, 0, 0, 0)"])
def test_no_paper_colour(paper: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="paper"):
        read_character(tmp_path, "Mo", paper=paper)
