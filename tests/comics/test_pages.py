from __future__ import annotations

import re
import zlib

import numpy as np
import pytest

from understudy.comics.pages import Box, Page, Placed, Text, enlarge, measure, render
from understudy.comics.pdf import render_pdf
from understudy.provenance import COMPOSITE

RED, BLUE = (200, 30, 30), (30, 30, 200)


def square(colour: tuple[int, int, int], side: int = 10) -> np.ndarray:
    pixels = np.zeros((side, side, 4), np.uint8)
    pixels[2:-2, 2:-2] = (*colour, 255)
    return pixels


def page() -> Page:
    items = (
        Box(10, 10, 20, 5, RED),
        Box(10, 20, 20, 5, BLUE, 2, RED),
        Placed(40, 10, 20, 40, square(BLUE)),
        Text(10, 60, "Mo & friends", 12, (0, 0, 0), bold=True),
    )
    return Page("Mo: character sheet", 100, 80, items)


def test_millimetres_become_pixels() -> None:
    pixels = render(page(), dpi=254)  # ten pixels a millimetre
    assert pixels.shape == (800, 1000, 3)
    rows, columns = np.nonzero((pixels[:180] == RED).all(axis=2))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (100, 149, 100, 299)
    # 20 wide and square within 20 x 40, at the bottom: from y = 30 mm on, with its own clear rim.
    rows, columns = np.nonzero((np.abs(pixels[:, 380:].astype(int) - BLUE) < 6).all(axis=2))
    assert abs(rows.min() - 340) <= 4
    assert abs(rows.max() - 459) <= 4
    assert abs(columns.min() + 380 - 440) <= 4


def test_type_stands_on_its_baseline_and_is_as_wide_as_said() -> None:
    pixels = render(page(), dpi=254)
    dark = np.argwhere(pixels[500:, :380].max(axis=2) < 128) + (500, 0)
    assert abs(dark[:, 0].max() - 600) <= 12
    width = (np.ptp(dark[:, 1]) + 1) / 10
    assert width == pytest.approx(measure("Mo & friends", 12, bold=True), abs=0.8)


def test_enlarging_mixes_no_ground_into_the_edge() -> None:
    large = enlarge(square(RED, 20), (200, 200))
    edge = (large[..., 3] > 60) & (large[..., 3] < 200)
    assert edge.sum() > 100
    assert np.abs(large[edge][:, :3].astype(int) - RED).max() < 12


def test_a_pdf_has_live_type_its_size_its_mark_and_always_the_same_bytes() -> None:
    content = render_pdf(page())
    assert content == render_pdf(page())
    assert content.startswith(b"%PDF")
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", content)
    assert box is not None
    assert [float(side) for side in box.groups()] == pytest.approx([283.46, 226.77], abs=0.02)
    assert COMPOSITE.encode() in content
    assert b"ComicNeueBold" in content
    streams = [_inflate(found) for found in re.findall(rb"stream\n(.*?)\nendstream", content, re.DOTALL)]
    drawing = next(stream for stream in streams if b" Tj" in stream or b" TJ" in stream)
    assert len(re.findall(rb"BT [^E]*?Tj ET", drawing)) == 1
    assert b" re" in drawing  # the box is a vector
    assert content.count(b"/Subtype /Image") == 2  # the picture and its transparency


def _inflate(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream
