"""What the drawings' captions say they show, and what an artist could add."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from understudy.domain import Drawing
from understudy.drawings.describe import DrawingFigures, Statistics
from understudy.world.captions import parse, visible
from understudy.world.vocabulary import CHOICES

ASPECTS = {"view": "Views", "framing": "Framings", "mood": "Moods", "pose": "Poses"}
ADVISED = ("view", "framing", "mood")
"""Of which drawings can show all; poses are too many."""
UNSAID = {"framing": "full_body", "mood": "neutral"}
"""What a caption seldom says and its drawing shows all the same."""
ENOUGH_DRAWINGS = 4
SMALL_PX = 192
"""What the embedded base draws."""
LOST_ON_PAPER = 0.93
"""With more paper than this, the base sees little of the character."""
LINES_DIFFER = 1.6
"""A pen of twice the weight is seen at once; measuring is good to a tenth."""
COLOUR_DRIFTS = 0.05
"""In Oklab; two and a half times what is just seen."""


@dataclass(frozen=True)
class Coverage:
    """How many drawings show what, as their captions say.

    `counts` maps "view", "framing", "mood" and "pose" to how many drawings show each value; `unknown` to how
    many captions do not say it. A view from behind shows no face: its mood is neither counted nor missed.
    `not_understood` are words that the embedded judge cannot read.
    """

    counts: Mapping[str, Mapping[str, int]]
    unknown: Mapping[str, int]
    num_captions: int
    num_drawings: int
    not_understood: tuple[str, ...]

    @property
    def num_faces(self) -> int:
        """How many drawings may show a face: all but those from behind."""
        return self.num_drawings - self.counts["view"].get("back", 0)


def cover(drawings: Sequence[Drawing], name: str | None = None) -> Coverage:
    """What the captions of `drawings` cover; `name` is the character's, where it is known."""
    parsed = [parse(drawing.caption, name) for drawing in drawings]
    shown = [visible(one.attributes).said() for one in parsed]
    num_backs = sum(one.get("view") == "back" for one in shown)
    counts: dict[str, dict[str, int]] = {}
    unknown: dict[str, int] = {}
    for aspect in ASPECTS:
        said = Counter(one[aspect] for one in shown if aspect in one)
        counts[aspect] = {value: said[value] for value in CHOICES[aspect] if said[value]}
        unknown[aspect] = len(drawings) - said.total() - (num_backs if aspect == "mood" else 0)
    words = dict.fromkeys(words for one in parsed for words in one.not_judged)
    num_captions = sum(bool(drawing.caption.strip()) for drawing in drawings)
    return Coverage(counts, unknown, num_captions, len(drawings), tuple(words))


def advise(statistics: Statistics, coverage: Coverage) -> tuple[str, ...]:
    """What would help the character to be learned, in sentences; empty where nothing is missing."""
    return (*_about_the_set(coverage), *_about_the_sheets(statistics), *_about_the_hand(statistics))


def name_unseen(coverage: Coverage) -> str:
    """What no caption says of all views, framings and moods that could be drawn; empty without captions."""
    if not coverage.num_captions:
        return ""
    missing = []
    for aspect in ADVISED:
        shown = set(coverage.counts[aspect])
        if coverage.unknown[aspect]:
            shown.add(UNSAID.get(aspect, ""))
        values = [value for value in CHOICES[aspect] if value not in shown]
        if values:
            named = ", ".join(value.replace("_", " ") for value in values)
            missing.append(f"{ASPECTS[aspect].lower()} {named}")
    if not missing:
        return "The captions say every view, framing and mood that understudy knows."
    return f"Not needed, but no caption says: {'; '.join(missing)}."


def _about_the_set(coverage: Coverage) -> Iterator[str]:
    """What is missing among the drawings and their captions."""
    num, views, moods = coverage.num_drawings, coverage.counts["view"], coverage.counts["mood"]
    if num < ENOUGH_DRAWINGS:
        yield (
            f"{count_drawings(num)}: six teach the character better, from front, side and back, and one "
            "portrait."
        )
    if not coverage.num_captions:
        yield (
            "No drawing has a caption, so views and moods are unknown: add captions.csv with the columns "
            'file,caption, and rows such as 1.png,"waving, smiling, front view".'
        )
        return
    if coverage.num_captions < num:
        silent = count_drawings(num - coverage.num_captions)
        yield f"{silent} without a caption: say what the character does there."
    if coverage.unknown["view"]:
        yield (
            f'{_captions(coverage.unknown["view"])} not say the view: add "front view", "side view" or '
            '"back view", or the views mix in the pictures.'
        )
    elif missing := [view for view in CHOICES["view"] if view not in views]:
        yield _about_views(num, next(iter(views)), missing)
    if "portrait" not in coverage.counts["framing"]:
        yield 'No caption says "portrait": one drawing of head and shoulders teaches the face best.'
    if not moods and coverage.num_faces:
        yield "No caption says a mood: draw one smiling and one sad or angry, and say so in the captions."
    elif len(moods) == 1 < coverage.num_faces:
        yield f"All faces that say a mood are {next(iter(moods))}: draw another mood too."
    if coverage.not_understood:
        unknown = ", ".join(f'"{words}"' for words in coverage.not_understood)
        yield f"The embedded base and judge do not know these words of the captions: {unknown}."


def _about_views(num: int, shown: str, missing: Sequence[str]) -> str:
    if len(missing) == 1:
        return f"No drawing shows the {missing[0]}: add a {missing[0]} view."
    whole = f"All {num} drawings show" if num > 1 else "The drawing shows"
    return f"{whole} the {shown}: add a {missing[0]} view, and a {missing[1]} view if you can."


def _about_the_sheets(statistics: Statistics) -> Iterator[str]:
    """Where too little of the character can be seen."""
    drawings = statistics.drawings
    if whole := _names(one for one in drawings if not one.is_cut_out):
        yield (
            f"In {whole} the character could not be told from what is around it: draw it on plain paper, or "
            "save it with a transparent ground."
        )
    if small := _names(one for one in drawings if max(one.width_px, one.height_px) < SMALL_PX):
        yield f"{small}: smaller than the {SMALL_PX} pixels that the embedded base draws; scan it larger."
    if lost := _names(one for one in drawings if one.paper_share > LOST_ON_PAPER):
        yield f"In {lost} the character is small on its paper: cut the paper away around it."


def _about_the_hand(statistics: Statistics) -> Iterator[str]:
    """Where lines and colours differ from drawing to drawing."""
    weights = [(one.ink.weight_share, one.file) for one in statistics.drawings if one.ink]
    if weights and max(weights)[0] > LINES_DIFFER * min(weights)[0]:
        (thick, heavy), (thin, light) = max(weights), min(weights)
        yield (
            f"For the figure's size, the lines of {heavy} are {thick / thin:.1f} times as heavy as those of "
            f"{light}: one weight is learned better, unless one of them is a portrait."
        )
    for swatch in statistics.palette:
        if swatch.drift > COLOUR_DRIFTS:
            yield f"The colour {swatch.hex} differs visibly between drawings: take it from one palette."


def _names(drawings: Iterator[DrawingFigures]) -> str:
    names = [one.file for one in drawings]
    return ", ".join(names) if len(names) <= 4 else f"{len(names)} drawings"


def count_drawings(num: int) -> str:
    """ "One drawing", "6 drawings"."""
    return "One drawing" if num == 1 else f"{num} drawings"


def _captions(num: int) -> str:
    return "One caption does" if num == 1 else f"{num} captions do"
