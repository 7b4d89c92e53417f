"""The words of the project as frozen data: no torch, no files, no settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class UserError(Exception):
    """A mistake the user can mend: its text is one sentence that says what is wrong and what to do next."""


@dataclass(frozen=True)
class Attributes:
    """What a picture shows, or what a prompt asks for; None means "not said"."""

    kind: str | None = None
    view: str | None = None
    framing: str | None = None
    pose: str | None = None
    mood: str | None = None
    gaze: str | None = None
    prop: str | None = None
    place: str | None = None

    def said(self) -> dict[str, str]:
        """Only the attributes that are said, in the order of the fields."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Drawing:
    """One of the artist's drawings, as it was read.

    `pixels` is (height, width, 3) RGB over paper; `mask` is (height, width), 255 where the character is,
    or None where the file does not say; `caption` says what the character does, without its name.
    """

    path: Path
    pixels: Pixels
    caption: str
    mask: Pixels | None = None


@dataclass(frozen=True)
class Character:
    """An invented character: its name, the general noun for it, and its drawings."""

    name: str
    noun: str
    drawings: tuple[Drawing, ...]


@dataclass(frozen=True)
class Scene:
    """A wish for one picture: in `prompt` the character's name stands for the character."""

    prompt: str
    seed: int = 0
    negative: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture that was drawn: `pixels` is (height, width, 3) RGB, `record` says how it came to be."""

    scene: Scene
    pixels: Pixels
    record: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one picture.

    `likeness` is the identity score against the drawings; `attributes` maps each attribute asked for to
    whether it is right; `not_judged` names the wishes that the judge cannot read; `damage` is a probability.
    """

    scene: Scene
    likeness: float
    same_character: bool
    attributes: Mapping[str, bool]
    damage: float
    damaged: bool
    not_judged: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True if it is the same character, all that was asked for is right, and nothing is damaged.

        What cannot be judged is never right.
        """
        right = all(self.attributes.values()) and not self.not_judged
        return self.same_character and right and not self.damaged
