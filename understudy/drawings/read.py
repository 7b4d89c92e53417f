"""An artist's drawings, wherever they lie, become a `Character`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from understudy.domain import Character, Drawing, Pixels, UserError
from understudy.drawings.captions import read_captions
from understudy.drawings.colours import Colour, Toned, parse_paper, to_srgb
from understudy.drawings.duplicates import find_duplicates, find_near_duplicates
from understudy.drawings.formats import decode
from understudy.drawings.masks import find_masks, read_mask
from understudy.drawings.rights import read_rights
from understudy.drawings.sources import File, Shelf, Sources, open_shelves
from understudy.events import Note, Notify, ignore

MAX_DRAWINGS = 50
MAX_NAMED = 8
WHITE = "white"


def read_character(
    paths: Sources, name: str, noun: str = "character", notify: Notify = ignore, paper: str = WHITE
) -> Character:
    """Read every drawing in `paths`: a folder, a zip, or any number of folders, files and zips.

    Drawings come in the order of the paths, those of a folder by name. Each is turned as its EXIF says, its
    colours taken to sRGB, laid over `paper` (a CSS colour) and, where a side is longer than 2048 px, scaled
    down. Its mask comes from `masks/1.png` or `1.mask.png`, or from its transparency. See `read_captions` for
    the captions. What is no drawing, cannot be read, is too small or there twice is left out, and named in a
    `Note`, as is what is nearly there twice; sub-folders are named and not read. Whose the drawings are says
    `rights.toml` beside them, if it is there.
    Raises `UserError` where nothing can be read, for more than 50 drawings, and for captions of no drawing.
    """
    said_name, said_noun = _said(name, "name"), _said(noun, "noun")
    ground = parse_paper(paper)
    shelves = open_shelves(paths)
    rights = read_rights(paths)
    reading = _Reading(ground, notify)
    for shelf in shelves:
        label = shelf.place.name if len(shelves) > 1 else ""
        _name_others(shelf, label, notify)
        reading.take(shelf, label)
    drawings = reading.finish(shelves[0].place)
    return Character(said_name, said_noun, tuple(drawings), rights)


def read_image(file: Path, paper: str = WHITE) -> tuple[Pixels, Pixels | None]:
    """Read one picture as (height, width, 3) RGB over paper and its (height, width) mask, if any.

    Raises `UserError` with the rest of a sentence that begins with the file's name.
    """
    toned = _tone(File(file, file.name), parse_paper(paper))
    return toned.pixels, toned.mask


def _tone(file: File, paper: Colour) -> Toned:
    decoded = decode(file.read())
    toned = to_srgb(decoded.image, paper)
    return Toned(toned.pixels, toned.mask, (*decoded.remarks, *toned.remarks))


class _Reading:
    """The drawings read so far, and what was left out and why."""

    def __init__(self, paper: Colour, notify: Notify) -> None:
        self._paper = paper
        self._notify = notify
        self._drawings: list[Drawing] = []
        self._labels: list[str] = []
        self._refused: list[tuple[str, UserError]] = []

    def take(self, shelf: Shelf, label: str) -> None:
        """Read a shelf's drawings; notes name them behind the shelf's `label`, if it has one."""
        captions, masks = read_captions(shelf), find_masks(shelf)
        for file in shelf.drawings:
            said = f"{label}/{file.name}" if label else file.name
            try:
                toned = _tone(file, self._paper)
            except UserError as error:
                self._refused.append((said, error))
                continue
            mask = self._given_mask(masks[file.stem], toned) if file.stem in masks else toned.mask
            for remark in toned.remarks:
                self._notify(Note(f"{said}: {remark}"))
            self._add(Drawing(file.path, toned.pixels, captions.get(file.name, ""), mask), said, shelf.place)

    def finish(self, place: Path) -> list[Drawing]:
        """All distinct drawings, after telling what was left out; raises `UserError` where there is none."""
        if not self._drawings:
            raise UserError(self._nothing_readable(place))
        for said, error in self._refused:
            self._notify(Note(f"{said} is left out: {error}"))
        return self._distinct()

    def _add(self, drawing: Drawing, said: str, place: Path) -> None:
        if len(self._drawings) == MAX_DRAWINGS:
            raise UserError(
                f"{place} holds more than {MAX_DRAWINGS} drawings: keep those that show the character best."
            )
        self._drawings.append(drawing)
        self._labels.append(said)

    def _given_mask(self, file: File, toned: Toned) -> Pixels | None:
        try:
            return read_mask(file, toned.pixels.shape)
        except UserError as error:
            self._notify(Note(f"The mask {file.name} is not used: {error}"))
            return toned.mask

    def _nothing_readable(self, place: Path) -> str:
        """One sentence: of one file the reason, of many the first one's."""
        said, error = self._refused[0]
        reason = str(error).rstrip(".")
        if len(self._refused) == 1:
            return f"No drawing in {place} can be read: {said} is left out because {reason}."
        return (
            f"No drawing in {place} can be read, the first of {len(self._refused)}, {said}, because {reason}."
        )

    def _distinct(self) -> list[Drawing]:
        twice = find_duplicates(self._drawings)
        for number, kept in sorted(twice.items()):
            what = f"shows the same pixels as {self._labels[kept]}, and would count twice."
            self._notify(Note(f"{self._labels[number]} is left out: it {what}"))
        kept_numbers = [number for number in range(len(self._drawings)) if number not in twice]
        distinct = [self._drawings[number] for number in kept_numbers]
        for one, two in find_near_duplicates(distinct):
            first, second = self._labels[kept_numbers[one]], self._labels[kept_numbers[two]]
            self._notify(
                Note(f"{second} looks like {first} saved again: both count, so leave one out if it is.")
            )
        return distinct


def _name_others(shelf: Shelf, label: str, notify: Notify) -> None:
    """Say what lies there and is not read."""
    where = f"In {label}: " if label else ""
    if shelf.others:
        notify(Note(f"{where}left out as no drawings: {_listed(shelf.others)}."))
    if shelf.folders:
        notify(
            Note(f"{where}sub-folders are not read: {_listed(shelf.folders)}; give them too if they belong.")
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _said(text: str, what: str) -> str:
    """`text` on one line without spaces around it, or the user's mistake."""
    words = " ".join(text.split())
    if not words:
        raise UserError(f"The character's {what} is empty: give it one.")
    return words
