"""A comparison is read from its TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import ValidationError

from understudy.bases.fetching.fetch import is_in_the_hub
from understudy.comparisons.asked import Comparison, check
from understudy.domain import UserError
from understudy.events import Notify, ignore
from understudy.runs import StrPath


def read_comparison(path: StrPath, notify: Notify = ignore) -> Comparison:
    """Read a comparison's TOML file; its paths become absolute.

    Raises `UserError`, with the key in it, where something does not fit.
    """
    file = Path(path)
    try:
        asked = Comparison.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        found = _from(file.resolve().parent, asked)
        check(found, notify)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): give the TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not a TOML file ({error}): mend it.") from error
    except ValidationError as error:
        raise UserError(f"{file} does not fit ({_explain(error)}): mend it.") from error
    except UserError as error:
        raise UserError(f"{file} does not fit ({error}): mend it.") from error
    return found


def _explain(error: ValidationError) -> str:
    """The first mistake, rows and characters counted from 1."""
    first = error.errors()[0]
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    return f"{place}: {text}" if place else text


def _from(folder: Path, comparison: Comparison) -> Comparison:
    """The same with paths that hold from anywhere."""

    def resolve(base: str) -> str:
        place = folder / Path(base).expanduser()
        return base if is_in_the_hub(base) and ("/" not in base or not place.exists()) else str(place)

    entries = tuple(
        entry
        if entry.drawings is None
        else entry.model_copy(update={"drawings": str(folder / entry.drawings)})
        for entry in comparison.characters
    )
    rows = tuple(
        row.model_copy(update={"knobs": {**row.knobs, "base": resolve(str(row.knobs["base"]))}})
        if "base" in row.knobs
        else row
        for row in comparison.rows
    )
    changed = {"characters": entries, "rows": rows, "base": resolve(comparison.base)}
    return comparison.model_copy(update=changed)
