"""Reading a folder of drawings: formats, orientation, paper, captions, and every mistake in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from understudy.domain import UserError
from understudy.drawings.read import MAX_DRAWINGS, read_character


def save(path: Path, size: tuple[int, int] = (80, 60), colour: str = "red", **options: object) -> Path:
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
    colours = {"c.webp": "red", "a.png": "green", "b.jpg": "blue", "d.JPEG": "black"}
    for name, colour in colours.items():
        save(tmp_path / name, colour=colour)
    character = read_character(tmp_path, "Mo", "girl")
    assert [drawing.path.name for drawing in character.drawings] == ["a.png", "b.jpg", "c.webp", "d.JPEG"]
    assert (character.name, character.noun) == ("Mo", "girl")
    for drawing in character.drawings:
        assert drawing.pixels.shape == (60, 80, 3)
        assert drawing.pixels.dtype == np.uint8
        assert drawing.mask is None
        assert drawing.caption == ""


def test_lays_transparency_over_white_paper(tmp_path: Path) -> None:
    image = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    image.paste((0, 0, 255, 255), (5, 5, 15, 15))
    image.save(tmp_path / "a.png")
    image.convert("P").save(tmp_path / "b.png", transparency=0)
    image.save(tmp_path / "c.webp", lossless=True)
    for name in ("a.png", "b.png", "c.webp"):
        (drawing,) = read_character(tmp_path / name, "Mo").drawings
        assert drawing.mask is not None
        assert drawing.mask.shape == (80, 80)
        assert (drawing.mask == 255).sum() == 100
        assert (drawing.pixels[drawing.mask == 0] == 255).all()
        assert (drawing.pixels[drawing.mask == 255] == (0, 0, 255)).all()


def test_opaque_alpha_says_nothing_about_the_character(tmp_path: Path) -> None:
    Image.new("RGBA", (80, 80), (0, 255, 0, 255)).save(tmp_path / "a.png")
    assert read_character(tmp_path, "Mo").drawings[0].mask is None


@pytest.mark.parametrize("text", ["file,caption\na.png, waving \n", "file;caption\r\na.png;waving\r\n"])
def test_takes_captions_from_the_table(tmp_path: Path, text: str) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "b.png", colour="blue")
    (tmp_path / "captions.csv").write_text(text, encoding="utf-8-sig", newline="")
    drawings = read_character(tmp_path, "Mo").drawings
    assert [drawing.caption for drawing in drawings] == ["waving", ""]


def test_takes_fifty_drawings_and_refuses_more(tmp_path: Path) -> None:
    for index in range(MAX_DRAWINGS):
        save(tmp_path / f"{index:02}.png", colour=f"rgb({index}, 0, 0)")
    (tmp_path / "zz.png").write_text("unreadable files do not count")
    assert len(read_character(tmp_path, "Mo").drawings) == MAX_DRAWINGS
    save(tmp_path / "zzz.png")
    assert "more than 50" in mistake(tmp_path)


def test_commas_that_nobody_quoted_stay_in_the_caption(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "captions.csv").write_text("file,caption\na.png,waving, front view,\n")
    assert read_character(tmp_path, "Mo").drawings[0].caption == "waving, front view"


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    assert "no folder" in mistake(tmp_path / "missing")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no drawing" in mistake(empty)
    (empty / "a.png").write_text("no picture")
    assert "can be read" in mistake(empty)
    save(tmp_path / "a.png")
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
