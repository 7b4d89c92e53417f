"""Which wordings of a character were tried in a run, and which of them was best. No torch."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, ValidationError

from understudy.domain import UserError
from understudy.runs import Run, write_whole

WORDINGS_FILE = "wordings.json"


class Tried(BaseModel):
    """A wording that was drawn, and what the judge makes of its pictures: higher is better."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wording: str
    score: float


class Wordings(BaseModel):
    """All that were tried, in that order, and the best of them; `chosen` is None until all are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tried: tuple[Tried, ...] = ()
    chosen: str | None = None

    @property
    def best(self) -> Tried | None:
        """The first of the highest score."""
        return max(self.tried, key=lambda one: one.score, default=None)


def read_wordings(run: Run) -> Wordings:
    """What was tried in a run; nothing where no trial was made. Raises `UserError` if it is damaged."""
    path = run.folder / WORDINGS_FILE
    if not path.exists():
        return Wordings()
    try:
        return Wordings.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise UserError(f"{path} cannot be read: remove it, and learn in a new folder.") from error


def write_wordings(run: Run, wordings: Wordings) -> None:
    """Write it into the run."""
    text = json.dumps(wordings.model_dump(), indent=1, ensure_ascii=False)
    write_whole(run.folder / WORDINGS_FILE, (text + "\n").encode())
