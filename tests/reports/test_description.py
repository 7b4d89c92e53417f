"""A description as data, text, page, grid and JSON."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import understudy
from tests.reports.reading_pages import read_page
from understudy.domain import Character, Drawing, UserError
from understudy.reports.description import describe, write_description
from understudy.reports.images import split_channels
from understudy.reports.page import duration, number, percent, readable_bytes
from understudy.world.heroes import EXAMPLE
from understudy.world.portfolio import write_drawings


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nuvimo")
    write_drawings(EXAMPLE, folder)
    return folder


def test_a_page_with_all_that_was_found(drawings: Path, tmp_path: Path) -> None:
    description = understudy.describe(drawings)
    page_path, grid, figures = write_description(description, tmp_path / "new" / "folder")
    page = read_page(page_path.read_text(encoding="utf-8"))
    swatches = description.statistics.palette
    assert len(swatches) >= 5
    assert all(f"{swatch.hex} " in page.text for swatch in swatches)
    assert [alt for alt, _ in page.images if alt.startswith("Drawing ")] == [
        f"Drawing {path.name}" for path in sorted(drawings.glob("*.png"))
    ]
    assert "front 3 side 2 back 1" in page.text
    assert "Nothing is missing" not in page.text
    assert "no caption says: moods" in page.text
    assert "no caption says: moods" in description.text()
    assert "mm where it stands 10 cm tall" in page.text
    assert page_path.stat().st_size < 2_000_000
    assert Image.open(grid).size == (16 + 3 * 272, 16 + 2 * (272 + 26))
    assert json.loads(figures.read_text())["palette"][0]["hex"] == swatches[0].hex


def test_small_drawings_are_shown_to_the_pixel(drawings: Path, tmp_path: Path) -> None:
    page_path, *_ = write_description(describe(drawings), tmp_path)
    page = read_page(page_path.read_text(encoding="utf-8"))
    source = dict(page.images)["Drawing front-waving.png"]
    (tmp_path / "shown.png").write_bytes(base64.b64decode(source.partition(",")[2]))
    shown, drawn = (Image.open(path) for path in (tmp_path / "shown.png", drawings / "front-waving.png"))
    assert np.array_equal(np.asarray(shown.convert("RGB")), np.asarray(drawn.convert("RGB")))


def test_without_captions_views_are_unknown(tmp_path: Path) -> None:
    pixels = np.full((40, 30, 3), 255, np.uint8)
    pixels[10:30, 10:20] = (200, 30, 30)
    character = Character("Mo", "girl", (Drawing(tmp_path / "a" / "<b>.png", pixels, ""),))
    description = describe(character)
    assert "Views: not said 1." in description.text()
    page_path, *_ = write_description(description, tmp_path / "out")
    page = read_page(page_path.read_text(encoding="utf-8"))
    assert "Unknown: no drawing has a caption." in page.text
    assert "<b>.png" in page.text


def test_a_scan_scaled_down_is_said_to_be(tmp_path: Path) -> None:
    for side in (2100, 1000):
        pixels = np.full((side, side // 2, 3), 255, np.uint8)
        pixels[100:900, 100:400] = (200, 30, 30)
        Image.fromarray(pixels).save(tmp_path / "scan.png")
        said = describe(tmp_path).text()
        assert ("1024 x 2048 pixels, longer sides scaled down to that" in said) == (side == 2100)
        assert ("scaled down" in said) == (side == 2100)


def test_the_description_is_not_put_among_the_drawings(drawings: Path) -> None:
    with pytest.raises(UserError, match="another folder"):
        write_description(describe(drawings), drawings)
    assert not (drawings / "grid.png").exists()


def test_channels_are_split() -> None:
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:] = (200, 100, 50)
    layers = split_channels(pixels)
    assert layers.shape == (20, 60, 3)
    assert [layers[0, x].tolist() for x in (0, 20, 40)] == [[200, 0, 0], [0, 100, 0], [0, 0, 50]]
    assert [layers[10, x].tolist() for x in (0, 20, 40)] == [[200] * 3, [100] * 3, [50] * 3]


def test_figures_are_said_for_people() -> None:
    assert [percent(share) for share in (0, 0.001, 0.345, 1)] == ["0%", "under 1%", "34%", "100%"]
    assert [number(value) for value in (0.01234, 3.0, 12.5, 5827.4)] == ["0.0123", "3", "12.5", "5,827"]
    assert [readable_bytes(count) for count in (512, 1536, 2_500_000)] == ["512 bytes", "1.5 kB", "2.5 MB"]
    assert [duration(seconds) for seconds in (84, 720, 11_100)] == ["84 s", "12 min", "3 h 5 min"]
