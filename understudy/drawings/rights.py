"""Whose the drawings are: `rights.toml` beside them, read where it is there and never asked for."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from understudy.domain import NOT_STATED, Rights, UserError
from understudy.recipes import explain
from understudy.runs import Run, StrPath

RIGHTS_FILE = "rights.toml"
NEEDED_TO_PUBLISH = ("artist", "licence")


@dataclass(frozen=True)
class Permission:
    """Whether something may be done, and why, in one sentence."""

    granted: bool
    says: str


class _RightsFile(BaseModel):
    """What `rights.toml` may say; each line is optional, and a licence may be a license."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, str_strip_whitespace=True)

    artist: str = Field(NOT_STATED, min_length=1)
    licence: str = Field(NOT_STATED, min_length=1, validation_alias=AliasChoices("licence", "license"))
    scope: str = Field(NOT_STATED, min_length=1)
    date: str = Field(NOT_STATED, min_length=1)

    @field_validator("date", mode="before")
    @classmethod
    def _in_words(cls, value: object) -> object:
        """TOML has dates of its own, without quotation marks."""
        return value.isoformat() if isinstance(value, date) else value


def read_rights(drawings: StrPath | Sequence[StrPath]) -> Rights:
    """The rights stated in `rights.toml` in the drawings' folder, or beside a file of them; one or several.

    Where there is no such file, nothing is stated, which is no mistake. Raises `UserError` for a file that is
    no TOML, that says something else than artist, licence, scope and date, or that contradicts another.
    """
    given = [drawings] if isinstance(drawings, (str, os.PathLike)) else drawings
    folders = {path if path.is_dir() else path.parent for path in map(Path, given)}
    read = {file: _read_file(file) for file in sorted(folder / RIGHTS_FILE for folder in folders)}
    stated = {rights: file for file, rights in read.items() if rights is not None}
    if len(stated) > 1:
        first, second, *_ = stated.values()
        raise UserError(f"{first} and {second} state different rights: learn from drawings of one kind.")
    return next(iter(stated), Rights())


def _read_file(path: Path) -> Rights | None:
    """What one file states; None where there is none."""
    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is not a TOML file ({error}): mend it; words stand in quotation marks."
        ) from error
    try:
        return Rights(**_RightsFile.model_validate(stated).model_dump())
    except ValidationError as error:
        raise UserError(
            f"{path} cannot be understood ({explain(error)}): it may say artist, licence, scope and date."
        ) from error


def may_publish(run: Run) -> Permission:
    """Whether the run and its pictures may be uploaded for everyone to see.

    Only public uploads ask this: learning, drawing and private copies need no statement.
    """
    manifest = run.manifest
    stated = manifest.rights.stated()
    missing = [what for what in NEEDED_TO_PUBLISH if what not in stated]
    if missing:
        return Permission(
            False,
            f"The {' and the '.join(missing)} of {manifest.name}'s drawings {'are' if missing[1:] else 'is'} "
            f"not stated: say it in {RIGHTS_FILE} beside the drawings and give the same learn command again.",
        )
    return Permission(
        True, f"{manifest.name}'s drawings are by {stated['artist']}, licence: {stated['licence']}."
    )
