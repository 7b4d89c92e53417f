"""What lies where on a character sheet. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from understudy.comics.pages import Box, Item, Page, Placed, Text, measure
from understudy.domain import Pixels
from understudy.drawings.palette import Swatch
from understudy.version import VERSION

SIZES_MM = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
MARGIN_MM = 14.0
MOST_SWATCHES = 8
MARK = "\u00d7"
"""Behind the label of a picture that fails."""
INK, GREY, PALE, FLOOR = (38, 33, 43), (120, 114, 122), (244, 241, 236), (206, 200, 192)

TURNAROUND = tuple(
    (view, "a picture of {name} standing, " + view + " view, full body, on white paper")
    for view in ("front", "side", "back")
)
MOODS = tuple(
    (said, "a portrait of {name}, " + said + ", front view, on white paper")
    for said in ("calm", "smiling", "laughing", "sad", "angry")
)
POSES = tuple(
    (label, "a picture of {name} " + said + ", full body, on white paper")
    for label, said in (
        ("waving", "waving, smiling"),
        ("walking", "walking, side view"),
        ("running", "running, side view"),
        ("jumping", "jumping, laughing"),
        ("sitting", "sitting"),
        ("praying", "praying"),
        ("hands on face", "with hands on face"),
        ("reading", "holding a book"),
    )
)
SHOTS = (*TURNAROUND, *MOODS, *POSES)


@dataclass(frozen=True, eq=False)
class Shot:
    """One figure of the sheet: its label, and its pixels (height, width, 4) without their ground.

    A `marked` one has `MARK` behind its label.
    """

    label: str
    pixels: Pixels
    marked: bool = False

    @property
    def words(self) -> str:
        """The label as the page shows it."""
        return f"{self.label} {MARK}" if self.marked else self.label


def lay_out_sheet(
    name: str,
    noun: str,
    shots: Sequence[Shot],
    size: str,
    palette: Sequence[Swatch],
    num_drawings: int,
    foot: str = "",
) -> Page:
    """The page; `shots` are as many and in the order of `SHOTS`, and of the palette the first eight count.

    `foot` is what the page says of its pictures above its last line.
    """
    width, height = SIZES_MM[size]
    inner = width - 2 * MARGIN_MM
    # All heights follow the paper's: letter is shorter than A4.
    unit = (height - 2 * MARGIN_MM) / 100
    turns, moods = shots[: len(TURNAROUND)], shots[len(TURNAROUND) : len(TURNAROUND) + len(MOODS)]
    poses = shots[len(TURNAROUND) + len(MOODS) :]
    top = MARGIN_MM
    items: list[Item] = [*_heading(name, noun, top + 4.5 * unit, inner)]
    items += _turnaround(turns, top + 7.5 * unit, 26 * unit, inner)
    items += _row("moods", moods, top + 38 * unit, 13.5 * unit, inner, tiles=True)
    half = len(poses) // 2
    items += _row("poses", poses[:half], top + 57.5 * unit, 15 * unit, inner)
    items += _row("", poses[half:], top + 75 * unit, 15 * unit, inner)
    items += _palette(palette[:MOST_SWATCHES], top + 95.2 * unit, 3.2 * unit, inner)
    credit = f"Drawn with understudy {VERSION} from {num_drawings} drawings of {name}. Machine-made pictures."
    items.append(Text(width - MARGIN_MM, top + 102.6 * unit, credit, 6.5, GREY, align="right"))
    if foot:
        items.append(Text(width - MARGIN_MM, top + 101.3 * unit, foot, 6.5, GREY, align="right"))
    return Page(f"{name}: character sheet", width, height, tuple(items))


def _heading(name: str, noun: str, baseline: float, inner: float) -> Iterator[Item]:
    size = min(40.0, 40.0 * (inner - 60) / max(1.0, measure(name, 40, bold=True)))
    yield Text(MARGIN_MM, baseline, name, size, INK, bold=True)
    yield Text(MARGIN_MM + inner, baseline, f"{noun} / character sheet", 11, GREY, align="right")
    yield Box(MARGIN_MM, baseline + 4, inner, 0.6, INK, 0.3)


def _turnaround(shots: Sequence[Shot], top: float, height: float, inner: float) -> Iterator[Item]:
    """Three figures on one floor, so that their heights can be compared."""
    pitch = inner / len(shots)
    floor = top + height - 5
    yield Box(MARGIN_MM, floor - 1.4, inner, 0.35, FLOOR)
    for number, shot in enumerate(shots):
        left = MARGIN_MM + number * pitch
        # The whole canvas, not the figure alone: all were drawn at one scale.
        yield Placed(left, top, pitch, height - 5, shot.pixels)
        yield Text(left + pitch / 2, floor + 4, shot.words, 10, GREY, align="middle")


def _row(
    title: str, shots: Sequence[Shot], top: float, height: float, inner: float, tiles: bool = False
) -> Iterator[Item]:
    if title:
        yield Text(MARGIN_MM, top - 1.2, title, 13, INK, bold=True)
    gap = 4.0
    width = (inner - gap * (len(shots) - 1)) / len(shots)
    for number, shot in enumerate(shots):
        left = MARGIN_MM + number * (width + gap)
        if tiles:
            yield Box(left, top + 0.8, width, height, PALE, 3)
        yield Placed(left, top + 0.8, width, height, shot.pixels)
        yield Text(left + width / 2, top + height + 5, shot.words, 9, GREY, align="middle")


def _palette(swatches: Sequence[Swatch], top: float, height: float, inner: float) -> Iterator[Item]:
    yield Text(MARGIN_MM, top - 1.2, "palette", 13, INK, bold=True)
    width = min(22.0, inner / max(1, len(swatches)))
    for number, swatch in enumerate(swatches):
        left = MARGIN_MM + number * width
        yield Box(left, top + 0.8, width - 3, height, swatch.colour, 1.6, FLOOR)
        yield Text(left + (width - 3) / 2, top + height + 4, swatch.hex, 7.5, GREY, align="middle")
