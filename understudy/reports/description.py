"""`describe`: what drawings are like, as frozen data, as text, and as a page with a grid and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from understudy.domain import Character, UserError
from understudy.drawings.colours import MAX_SIDE_PX
from understudy.drawings.describe import Statistics
from understudy.drawings.describe import describe as measure
from understudy.drawings.read import read_character
from understudy.drawings.sources import Sources
from understudy.events import Notify, ignore
from understudy.reports.coverage import ASPECTS, Coverage, advise, count_drawings, cover, name_unseen
from understudy.reports.images import draw_grid, drawing_uri, png, split_channels
from understudy.reports.page import number, percent, render, words
from understudy.reports.plots import hue_wheel, value_histogram
from understudy.runs import StrPath, write_whole

PAGE_FILE, JSON_FILE, GRID_FILE = "description.html", "description.json", "grid.png"
UNNAMED = "character"


@dataclass(frozen=True)
class Description:
    """A character's drawings, their statistics, what their captions cover, and what could be added."""

    character: Character
    statistics: Statistics
    coverage: Coverage
    advice: tuple[str, ...]

    def figures(self) -> dict[str, object]:
        """All figures as JSON has them, colours as hex values too."""
        statistics = asdict(self.statistics)
        for swatch, one in zip(self.statistics.palette, statistics["palette"], strict=True):
            one["hex"] = swatch.hex
        for drawing, one in zip(self.statistics.drawings, statistics["drawings"], strict=True):
            if drawing.ink:
                one["ink"]["hex"] = drawing.ink.hex
        unseen = name_unseen(self.coverage)
        return {
            **statistics,
            "coverage": asdict(self.coverage),
            "advice": list(self.advice),
            "unseen": unseen,
        }

    def json(self) -> str:
        """The figures as text."""
        return json.dumps(self.figures(), indent=1, ensure_ascii=False)

    def text(self) -> str:
        """What matters most, as lines to read."""
        statistics, coverage = self.statistics, self.coverage
        width, height, paper = (statistics.spreads[key] for key in ("width_px", "height_px", "paper_share"))
        # What is longer is read as just so long.
        scaled = ", longer sides scaled down to that" if MAX_SIDE_PX in (width.max, height.max) else ""
        colours = [f"{one.hex} {percent(one.share)}" for one in statistics.palette]
        lines = [
            f"{count_drawings(len(statistics.drawings))}, {_range(width.min, width.max)} x "
            f"{_range(height.min, height.max)} pixels{scaled}; {percent(paper.mean)} of them is paper.",
            f"Colours: {', '.join(colours) or 'none'}.",
            f"Lines: {line_text(statistics)}",
        ]
        for aspect, title in ASPECTS.items():
            said = [f"{words(value)} {count}" for value, count in coverage.counts[aspect].items()]
            if coverage.unknown[aspect]:
                said.append(f"not said {coverage.unknown[aspect]}")
            lines.append(f"{title}: {', '.join(said) or 'none'}.")
        unseen = name_unseen(coverage)
        return "\n".join([*lines, *(f"- {sentence}" for sentence in (*self.advice, unseen) if sentence)])


def describe(drawings: Sources | Character, notify: Notify = ignore, paper: str = "white") -> Description:
    """Describe the drawings in a folder, a zip or files, or those of a character that was read already.

    `paper` is what transparent drawings lie on, a CSS colour. Raises `UserError` as `read_character` does.
    """
    if isinstance(drawings, Character):
        character, name = drawings, drawings.name
    else:
        character, name = read_character(drawings, UNNAMED, notify=notify, paper=paper), None
    statistics = measure(character.drawings, notify)
    coverage = cover(character.drawings, name)
    return Description(character, statistics, coverage, advise(statistics, coverage))


def write_description(description: Description, folder: StrPath) -> list[Path]:
    """Write page, grid and JSON into `folder`, and return their paths, the page first.

    Raises `UserError` as `refuse_drawings_folder` does.
    """
    out = Path(folder)
    for drawing in description.character.drawings:
        refuse_drawings_folder(out, drawing.path.parent)
    paths = [out / PAGE_FILE, out / GRID_FILE, out / JSON_FILE]
    page = render("description.html", {"title": "The drawings", **sections(description)})
    contents = (page, png(draw_grid(description.character.drawings)), description.json().encode())
    for path, content in zip(paths, contents, strict=True):
        write_whole(path, content)
    return paths


def refuse_drawings_folder(out: Path, drawings: Path) -> None:
    """Raise `UserError` where the grid would lie among the drawings, and be learned as one of them."""
    if out.resolve() == drawings.resolve():
        raise UserError(f"{out} holds the drawings themselves: give another folder for the description.")


def sections(description: Description) -> dict[str, object]:
    """What the templates of drawings need, on this page and in a run's report."""
    drawings = description.character.drawings
    statistics = description.statistics
    hues = [one.hsv.hue_deg for one in statistics.drawings if one.hsv.hue_deg is not None]
    return {
        "description": description,
        "statistics": statistics,
        "aspects": ASPECTS,
        "unseen": name_unseen(description.coverage),
        "drawing_uris": [drawing_uri(drawing.pixels) for drawing in drawings],
        "channel_uris": [drawing_uri(split_channels(drawing.pixels)) for drawing in drawings],
        "histogram_uri": value_histogram(statistics.histogram),
        "hue_uri": hue_wheel(hues, statistics.hsv.hue_deg),
        "line_text": line_text(statistics),
    }


def line_text(statistics: Statistics) -> str:
    """The lines' colour and weight in a sentence."""
    weight = statistics.line_weight
    inks = [one.ink for one in statistics.drawings if one.ink]
    if weight is None:
        return "no ink lines were found; the drawings may be painted, or have light outlines."
    without = len(statistics.drawings) - len(inks)
    rest = f" Without lines: {count_drawings(without).lower()}." if without else ""
    colours = list(dict.fromkeys(ink.hex for ink in inks))
    others = len(colours) - 1
    said = colours[0] if not others else f"{colours[0]} and {others} other shade{'s' if others > 1 else ''}"
    return (
        f"{said}, {100 * weight:.1f}% of the figure's height: {number(round(100 * weight, 1))} mm where it "
        f"stands 10 cm tall.{rest}"
    )


def _range(least: float, most: float) -> str:
    return f"{least:.0f}" if least == most else f"{least:.0f} to {most:.0f}"
