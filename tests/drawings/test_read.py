"""Reading a folder of drawings: formats, orientation, paper, captions, and every mistake in one sentence."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from understudy.domain import UserError
from understudy.drawings.read import MAX_DRAWINGS, MAX_SIDE_PX, read_character
from understudy.events import Event, Note


def save(path: Path, size: tuple[int, int] = (40, 30), colour: str = "red", **options: object) -> Path:
    Image.new("RGB", size, colour).save(path, **options)
    return path


def mistake(folder: Path, **character: str) -> str:
    with pytest.raises(UserError) as caught:
        read_character(folder, **{"name": "Mo", **character})
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_reads_every_format_in_order_of_names(tmp_path: Path) -> None:
    for name in ("c.webp", "a.png", "b.jpg", "d.JPEG"):
        save(tmp_path / name)
    character = read_character(tmp_path, "Mo", "girl")
    assert [drawing.path.name for drawing in character.drawings] == ["a.png", "b.jpg", "c.webp", "d.JPEG"]
    assert (character.name, character.noun) == ("Mo", "girl")
    for drawing in character.drawings:
        assert drawing.pixels.shape == (30, 40, 3)
        assert drawing.pixels.dtype == np.uint8
        assert drawing.mask is None
        assert drawing.caption == ""


def test_turns_a_drawing_as_its_exif_says(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 30), "white")
    image.paste("red", (0, 0, 10, 30))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: the left edge becomes the top one
    image.save(tmp_path / "a.png", exif=exif)
    pixels = read_character(tmp_path, "Mo").drawings[0].pixels
    assert pixels.shape == (40, 30, 3)
    assert (pixels[:10] == (255, 0, 0)).all()
    assert (pixels[10:] == 255).all()


def test_lays_transparency_over_white_paper(tmp_path: Path) -> None:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    image.paste((0, 0, 255, 255), (5, 5, 15, 15))
    image.save(tmp_path / "a.png")
    image.convert("P").save(tmp_path / "b.png", transparency=0)
    image.save(tmp_path / "c.webp", lossless=True)
    for drawing in read_character(tmp_path, "Mo").drawings:
        assert drawing.mask is not None
        assert drawing.mask.shape == (20, 20)
        assert (drawing.mask == 255).sum() == 100
        assert (drawing.pixels[drawing.mask == 0] == 255).all()
        assert (drawing.pixels[drawing.mask == 255] == (0, 0, 255)).all()


def test_opaque_alpha_says_nothing_about_the_character(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 255, 0, 255)).save(tmp_path / "a.png")
    assert read_character(tmp_path, "Mo").drawings[0].mask is None


def test_sixteen_bits_of_grey_are_scaled_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 128 * 257, np.uint16)).save(tmp_path / "a.png")
    assert (read_character(tmp_path, "Mo").drawings[0].pixels == 128).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK"])
def test_reads_other_colour_modes(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (8, 8), "white").convert(mode)
    image.save(tmp_path / ("a.jpg" if mode == "CMYK" else "a.png"))
    assert (read_character(tmp_path, "Mo").drawings[0].pixels == 255).all()


def test_scales_a_large_scan_down(tmp_path: Path) -> None:
    save(tmp_path / "a.png", (3000, 1500))
    assert read_character(tmp_path, "Mo").drawings[0].pixels.shape == (MAX_SIDE_PX // 2, MAX_SIDE_PX, 3)


@pytest.mark.parametrize("text", ["file,caption\na.png, waving \n", "file;caption\r\na.png;waving\r\n"])
def test_takes_captions_from_the_table(tmp_path: Path, text: str) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    (tmp_path / "captions.csv").write_text(text, encoding="utf-8-sig", newline="")
    drawings = read_character(tmp_path, "Mo").drawings
    assert [drawing.caption for drawing in drawings] == ["waving", ""]


def test_names_what_it_leaves_out_and_keeps_quiet_about_other_files(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    whole = save(tmp_path / "b.jpg", (200, 200)).read_bytes()
    (tmp_path / "b.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.png").write_text("no picture")
    save(tmp_path / "d.gif")
    Image.new("RGBA", (8, 8)).save(tmp_path / "e.png")
    for quiet in ("notes.txt", "README.md", "recipe.toml", ".hidden.png", "x.json"):
        (tmp_path / quiet).write_text("quiet")
    (tmp_path / "folder.png").mkdir()
    events: list[Event] = []
    character = read_character(tmp_path, "Mo", notify=events.append)
    assert [drawing.path.name for drawing in character.drawings] == ["a.png"]
    texts = [event.text for event in events if isinstance(event, Note)]
    assert [text.split()[0] for text in texts] == ["b.jpg", "c.png", "d.gif", "e.png"]
    assert all(text.endswith(".") for text in texts)


def test_takes_fifty_drawings_and_refuses_more(tmp_path: Path) -> None:
    for index in range(MAX_DRAWINGS):
        save(tmp_path / f"{index:02}.png", (4, 4))
    (tmp_path / "zz.png").write_text("unreadable files do not count")
    assert len(read_character(tmp_path, "Mo").drawings) == MAX_DRAWINGS
    save(tmp_path / "zzz.png", (4, 4))
    assert "more than 50" in mistake(tmp_path)


def test_a_few_bytes_that_claim_gigapixels_are_left_out(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    for name, side in (("a.png", 12_000), ("b.png", 60_000)):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        body = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + header + body)
    save(tmp_path / "c.png")
    events: list[Event] = []
    assert len(read_character(tmp_path, "Mo", notify=events.append).drawings) == 1
    assert all(isinstance(event, Note) and "pixels" in event.text for event in events)
    assert len(events) == 2


@pytest.mark.parametrize("mode", ["1", "P"])
def test_scales_lines_down_smoothly(tmp_path: Path, mode: str) -> None:
    lines = np.zeros((8, 2 * MAX_SIDE_PX), np.uint8)
    lines[:, ::2] = 255
    Image.fromarray(lines).convert(mode).save(tmp_path / "a.png")
    pixels = read_character(tmp_path, "Mo").drawings[0].pixels
    assert abs(pixels[:, 8:-8].astype(int) - 128).max() < 40


def test_commas_that_nobody_quoted_stay_in_the_caption(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "captions.csv").write_text("file,caption\na.png,waving, front view,\n")
    assert read_character(tmp_path, "Mo").drawings[0].caption == "waving, front view"


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    assert "no folder" in mistake(tmp_path / "missing")
    assert "is a file" in mistake(save(tmp_path / "a.png"))
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no drawing" in mistake(empty)
    (empty / "a.png").write_text("no picture")
    assert "can be read" in mistake(empty)
    assert "name is empty" in mistake(tmp_path, name=" ")
    assert "noun is empty" in mistake(tmp_path, noun="")


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ("file,caption\nx.png,waving\n", "'x.png'"),
        ("file,caption\na.png,waving\na.png,sad\n", "two captions"),
        ("name,text\na.png,waving\n", "lacks the columns"),
        ("", "lacks the columns"),
        ("caption,file\nwaving,a.png,front view\n", "more cells"),
        ("file,caption\ncaptions.csv,waving\n", "'captions.csv'"),
    ],
)
def test_mistakes_in_captions_are_one_sentence(tmp_path: Path, table: str, part: str) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "captions.csv").write_text(table)
    assert part in mistake(tmp_path)


def test_captions_in_another_encoding_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "captions.csv").write_bytes("file,caption\na.png,fröhlich\n".encode("latin-1"))
    assert "UTF-8" in mistake(tmp_path)
