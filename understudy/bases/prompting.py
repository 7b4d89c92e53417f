"""What a base takes for granted where a prompt says nothing of it. Needs no torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from understudy.domain import UserError

PROMPTING_FILE = "prompting.json"


class Default(BaseModel):
    """One thing that every picture has, e.g. from where it is seen, and what is added where it is unsaid."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unless: Annotated[tuple[str, ...], Field(min_length=1)]
    """Wordings of which any says it already."""
    add: str
    """What is added to a prompt that has none of them."""

    def complete(self, prompt: str) -> str:
        """The prompt, with `add` where it is needed; an empty prompt stays empty."""
        words = "|".join(map(re.escape, self.unless))
        if not prompt.strip() or re.search(rf"(?<!\w)({words})(?!\w)", prompt, re.IGNORECASE):
            return prompt
        return f"{prompt.rstrip(' ,.')}, {self.add}"


class Prompting(BaseModel):
    """How a base wants its prompts; none of its defaults by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    defaults: tuple[Default, ...] = ()

    def complete(self, prompt: str) -> str:
        """The prompt with all that it leaves to the base's defaults."""
        for default in self.defaults:
            prompt = default.complete(prompt)
        return prompt


def read_prompting(folder: Path) -> Prompting:
    """What `prompting.json` in a base's folder says, if it is there; raises `UserError` if it is damaged."""
    path = folder / PROMPTING_FILE
    if not path.exists():
        return Prompting()
    try:
        return Prompting.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise UserError(f"{path} cannot be read: get the base again, or remove the file.") from error
