from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops

from understudy.comics.pages import Box, Page, Placed, Text
from understudy.comics.sheet import make_sheet
from understudy.comics.sheet_page import MARK, SHOTS, SIZES_MM, Shot, lay_out_sheet
from understudy.domain import Character, Picture, UserError, Verdict
from understudy.drawings.describe import describe
from understudy.events import Event, Note
from understudy.methods import learn
from understudy.provenance import read_record
from understudy.recipes import DrawSettings, PromptOnly
from understudy.world.captions import parse


def likes_seed_one(pictures: Sequence[Picture], character: Character) -> list[Verdict]:
    """What waves is another character."""
    return [
        Verdict(picture.scene, picture.scene.seed / 10, "waving" not in picture.scene.prompt, {}, 0.0, False)
        for picture in pictures
    ]


def sheet_page(pip: Character, size: str) -> Page:
    shots = [Shot(label, np.full((192, 192, 4), 255, np.uint8), label == "sad") for label, _ in SHOTS]
    return lay_out_sheet(
        "Pip", "girl", shots, size, describe(pip.drawings).palette, 6, f"{MARK} 1 of 16 failed"
    )


def test_every_prompt_of_the_sheet_is_understood_and_different() -> None:
    parsed = [parse(prompt.replace("{name}", "Pip"), "Pip") for _, prompt in SHOTS]
    assert not any(one.not_judged for one in parsed)
    assert len({one.attributes for one in parsed}) == len(SHOTS) == 16
    assert [one.attributes.view for one in parsed[:3]] == ["front", "side", "back"]
    assert len({one.attributes.mood for one in parsed[3:8]}) == 5


@pytest.mark.parametrize("size", sorted(SIZES_MM))
def test_all_lies_on_the_paper_and_no_lines_of_type_cross(pip: Character, size: str) -> None:
    page = sheet_page(pip, size)
    for item in page.items:
        if isinstance(item, Text):
            assert 0 < item.y_mm < page.height_mm - 4
        else:
            left, top, width, height = (
                item.frame()
                if isinstance(item, Placed)
                else (item.x_mm, item.y_mm, item.width_mm, item.height_mm)
            )
            assert left >= 5
            assert left + width <= page.width_mm - 5
            assert 5 <= top < top + height <= page.height_mm - 5
    lines = sorted({(item.y_mm, item.size_pt) for item in page.items if isinstance(item, Text)})
    for (above, _), (below, size_pt) in pairwise(lines):
        assert below - above == 0 or below - above > 0.25 * size_pt
    pictures = sorted(item.frame()[1] + item.frame()[3] for item in page.items if isinstance(item, Placed))
    palette = next(item for item in page.items if isinstance(item, Text) and item.words == "palette")
    assert max(pictures) < palette.y_mm - 4


def test_a_sheet_says_who_it_is_and_its_colours(pip: Character) -> None:
    page = sheet_page(pip, "a4")
    words = [item.words for item in page.items if isinstance(item, Text)]
    assert words[0] == "Pip"
    assert {"front", "side", "back", "smiling", "angry", "running", "#dc2828", "#283cdc"} <= set(words)
    assert {f"sad {MARK}", f"{MARK} 1 of 16 failed"} <= set(words)
    assert sum(MARK in each for each in words) == 2
    fills = [item.fill for item in page.items if isinstance(item, Box)]
    assert (220, 40, 40) in fills
    assert (40, 60, 220) in fills
    assert any("from 6 drawings of Pip. Machine-made" in each for each in words)


def test_a_sheet_from_a_run(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    renamed = Character("Pipж", pip.noun, pip.drawings)
    run = learn(renamed, PromptOnly(base=str(toy_base)), tmp_path / "run", device="cpu")
    events: list[Event] = []
    pdf, png = make_sheet(
        run, None, "letter", 2, 0, DrawSettings(steps=1), events.append, "cpu", likes_seed_one
    )
    assert pdf.parent == png.parent == run.folder / "sheet"
    assert pdf.read_bytes().startswith(b"%PDF")
    with Image.open(png) as image:
        assert image.size == (2550, 3300)
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    picked = read_record(png)["pictures"].split(", ")
    assert len(picked) == 16
    assert {read_record(png.parent / "pictures" / name)["seed"] for name in picked} == {"1"}
    assert any(isinstance(event, Note) and "no letters" in event.text for event in events)
    told = (
        f"{MARK} 1 of 16 pictures failed the judge: another character, not what its label says, or damaged."
    )
    assert (read_record(png)["failed"], read_record(png)["judged"]) == ("waving", told)
    assert Note(f"{told} They are: waving.") in events
    asked = (tmp_path / "plain", "letter", 1, 1, DrawSettings(steps=1), events.append, "cpu", likes_seed_one)
    _, plain = make_sheet(run, *asked, marks=False)
    _, marked = make_sheet(run, tmp_path / "marked", *asked[1:])
    assert read_record(plain)["failed"] == "waving"
    with Image.open(plain) as without, Image.open(marked) as image:
        assert ImageChops.difference(without.convert("RGB"), image.convert("RGB")).getbbox() is not None


def test_a_method_that_ignores_the_words_is_not_judged_on_its_sheet(
    toy_base: Path, pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = learn(pip, PromptOnly(base=str(toy_base)), tmp_path / "run", device="cpu")
    monkeypatch.setattr(Picture, "follows_text", False)
    settings = DrawSettings(steps=1)
    _, png = make_sheet(run, of=1, settings=settings, device="cpu", judge_pictures=likes_seed_one)
    assert read_record(png)["judged"].startswith("Not judged")
    assert "failed" not in read_record(png)


def test_a_sheet_has_its_own_papers_only(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    run = learn(pip, PromptOnly(base=str(toy_base)), tmp_path / "run", device="cpu")
    with pytest.raises(UserError, match="no paper 'a3'"):
        make_sheet(run, size="a3")
