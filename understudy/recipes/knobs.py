"""What all recipes and settings have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.fields import FieldInfo

from understudy.domain import UserError

Share = Annotated[float, Field(ge=0, le=1)]
NotAll = Annotated[float, Field(ge=0, lt=1)]
"""A share that leaves something for the others."""
MAX_DENOISING_STEPS = 1000
"""As many as noise schedules have."""


@dataclass(frozen=True)
class Usual:
    """Marks a knob that most users want to know of; the others are for experts."""


USUAL = Usual()


def is_usual(knob: FieldInfo) -> bool:
    """Whether a knob is marked as `USUAL`."""
    return USUAL in knob.metadata


class Knobs(BaseModel):
    """Frozen knobs whose docstrings are their help; what no file can hold is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _can_be_written(cls, value: object) -> object:
        """A command line hands over bytes that are no text as lone surrogates, which no file can hold."""
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text):
                raise ValueError("these bytes are no text")
        return value


class PresetRecipe(Knobs):
    """A recipe that may have ready sets of knobs."""

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    """Named sets of knobs; each may leave any knob at its default."""

    @classmethod
    def from_preset(cls, name: str, given: Mapping[str, object] | None = None) -> Self:
        """The recipe with the preset's knobs, under those that are `given`.

        Raises `UserError` for a name that the method lacks, and pydantic's `ValidationError` for a value that
        does not fit.
        """
        if name not in cls.presets:
            method = cls.model_fields["method"].default
            known = f"take one of {', '.join(cls.presets)}" if cls.presets else "leave it out, it has none"
            raise UserError(f"The method {method} has no preset {name!r}: {known}.")
        return cls.model_validate({**cls.presets[name], **(given or {})})
