"""What the drawings show, in the artist's words: a table, Hugging Face's metadata, or a text beside each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable

from understudy.domain import UserError
from understudy.drawings.sources import File, Shelf

MAX_CAPTIONS_BYTES = 2**22
CSV_COLUMNS = {"captions.csv": ("file", "caption"), "metadata.csv": ("file_name", "text")}
JSONL = "metadata.jsonl"


def read_captions(shelf: Shelf) -> dict[str, str]:
    """Captions by file name, from `captions.csv` (columns file, caption), from `metadata.jsonl` or
    `metadata.csv` (file_name, text: a Hugging Face image folder), and from `1.txt` beside `1.png`.

    Raises `UserError` for a table that cannot be read, for a caption of no drawing, and for two of one.
    """
    captions: dict[str, str] = {}
    origins: dict[str, str] = {}
    for origin, name, caption in _all_captions(shelf):
        if captions.get(name, caption) != caption or origins.get(name) == origin:
            raise UserError(_two_captions(shelf, name, origins[name], origin))
        captions[name] = caption
        origins[name] = origin
    return captions


def _two_captions(shelf: Shelf, name: str, first: str, second: str) -> str:
    if first == second:
        return f"{shelf.place / first} has two captions for {name!r}: keep one."
    return f"{name!r} has one caption in {shelf.place / first} and another in {second}: keep one."


def _all_captions(shelf: Shelf) -> Iterable[tuple[str, str, str]]:
    """The file that says it, the drawing's name and its caption."""
    names = {file.name for file in shelf.drawings}
    for table, columns in CSV_COLUMNS.items():
        if table in shelf.companions:
            rows = _csv_rows(shelf, shelf.companions[table], columns)
            yield from ((table, *row) for row in _of_these(rows, names, shelf, table))
    if JSONL in shelf.companions:
        rows = _jsonl_rows(shelf, shelf.companions[JSONL])
        yield from ((JSONL, *row) for row in _of_these(rows, names, shelf, JSONL))
    for name, file in shelf.companions.items():
        if file.suffix == ".txt":
            caption = " ".join(_text(shelf, file).split())
            yield from ((name, one.name, caption) for one in shelf.drawings if one.stem == file.stem)


def _of_these(
    rows: Iterable[tuple[str, str]], names: set[str], shelf: Shelf, table: str
) -> Iterable[tuple[str, str]]:
    """The rows of the shelf's drawings; one of no drawing is a mistake, unless only some were asked for."""
    for row in rows:
        file = row[0].strip().removeprefix("./")
        if file in names:
            yield file, row[1]
        elif shelf.is_whole:
            raise UserError(
                f"{shelf.place / table} has a caption for {file!r}, which is no drawing there: mend the name."
            )


def _text(shelf: Shelf, file: File) -> str:
    path = shelf.place / file.name
    try:
        content = file.read()
    except UserError as error:
        raise UserError(f"{path} cannot be read, because {error}") from error
    if len(content) > MAX_CAPTIONS_BYTES:
        raise UserError(f"{path} is larger than {MAX_CAPTIONS_BYTES >> 20} MB: keep only captions in it.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} cannot be read: save it in UTF-8.") from error


def _jsonl_rows(shelf: Shelf, file: File) -> Iterable[tuple[str, str]]:
    """One object a line; lines without a text have no caption, and other keys are not ours."""
    for number, line in enumerate(_text(shelf, file).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"Line {number} of {shelf.place / file.name}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where} is no JSON: mend it.") from error
        match row:
            case {"file_name": str(name), "text": str(text)}:
                yield name, " ".join(text.split())
            case {"file_name": str()} if "text" not in row:
                continue
            case _:
                raise UserError(f'{where} lacks a "file_name" or its "text" is no text: mend it.')


def _csv_rows(shelf: Shelf, file: File, columns: tuple[str, str]) -> Iterable[tuple[str, str]]:
    """The rows of a table with commas or, as some spreadsheets write it, semicolons."""
    path, text = shelf.place / file.name, _text(shelf, file)
    name_column, caption_column = columns
    first_line = text.partition("\n")[0]
    delimiter = ";" if ";" in first_line and "," not in first_line else ","
    table = csv.DictReader(io.StringIO(text), delimiter=delimiter, restval="", skipinitialspace=True)
    wanted = ",".join(columns)
    try:
        rows = list(table)
    except csv.Error as error:
        raise UserError(f"{path} is no CSV table ({error}): save it with the columns {wanted}.") from error
    if not set(columns) <= set(table.fieldnames or ()):
        raise UserError(f"{path} lacks the columns {wanted}: name them in its first line.")
    for row in rows:
        if row[name_column].strip():
            yield (
                row[name_column],
                _whole_caption(row, f"{path} has more cells for {row[name_column]!r}", caption_column),
            )


def _whole_caption(row: dict[str | None, str | list[str]], mistake: str, column: str) -> str:
    """The caption on one line, with what stands behind commas that nobody put into quotes."""
    extra = [cell for cell in row.get(None, []) if cell.strip()]
    if extra and list(row)[-2] != column:
        raise UserError(f"{mistake} than columns: put its caption in quotes.")
    return ", ".join(" ".join(cell.split()) for cell in (str(row[column]), *extra))
