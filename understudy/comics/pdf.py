"""A page as a PDF file: live type and vector boxes, pictures embedded, marked as machine-made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import assert_never

from fpdf import FPDF
from PIL import Image

from understudy.comics.pages import (
    BOLD,
    LINE_MM,
    MM_PER_INCH,
    REGULAR,
    Box,
    Page,
    Placed,
    Text,
    enlarge,
    measure,
)
from understudy.provenance import COMPOSITE, make_mark

FONT = "Comic Neue"
PICTURES_DPI = 300
THE_SAME_DATE = datetime(2026, 1, 1, tzinfo=UTC)
"""In every file: the same page gives the same bytes."""


def render_pdf(page: Page) -> bytes:
    """The page as a file of one PDF page."""
    pdf = FPDF(unit="mm", format=(page.width_mm, page.height_mm))
    pdf.set_creation_date(THE_SAME_DATE)
    pdf.set_title(page.title)
    pdf.set_xmp_metadata(make_mark(COMPOSITE))
    pdf.set_auto_page_break(False)
    pdf.set_margin(0)
    pdf.add_font(FONT, "", REGULAR)
    pdf.add_font(FONT, "B", BOLD)
    pdf.add_page()
    for item in page.items:
        match item:
            case Text():
                _write(pdf, item)
            case Box():
                _fill(pdf, item)
            case Placed():
                left, top, width, height = item.frame()
                size = tuple(round(length / MM_PER_INCH * PICTURES_DPI) for length in (width, height))
                picture = Image.fromarray(enlarge(item.pixels, (size[0], size[1])))
                pdf.image(picture, left, top, width, height)
            case _:
                assert_never(item)
    return bytes(pdf.output())


def _write(pdf: FPDF, text: Text) -> None:
    pdf.set_font(FONT, "B" if text.bold else "", text.size_pt)
    pdf.set_text_color(*text.colour)
    share = {"left": 0.0, "middle": 0.5, "right": 1.0}[text.align]
    pdf.text(text.x_mm - share * measure(text.words, text.size_pt, text.bold), text.y_mm, text.words)


def _fill(pdf: FPDF, box: Box) -> None:
    pdf.set_fill_color(*box.fill)
    pdf.set_line_width(LINE_MM)
    if box.line is not None:
        pdf.set_draw_color(*box.line)
    pdf.rect(
        box.x_mm,
        box.y_mm,
        box.width_mm,
        box.height_mm,
        style="F" if box.line is None else "DF",
        round_corners=box.radius_mm > 0,
        corner_radius=box.radius_mm,
    )
