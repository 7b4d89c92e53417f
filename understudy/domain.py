"""The words of the project as frozen data: no torch, no files, no settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
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


NOT_STATED = "not stated"


@dataclass(frozen=True)
class Rights:
    """Whose the drawings are and what may be done with them, in the artist's own words.

    `scope` is what the artist agrees to, e.g. "learning and private pictures"; `date` is when that was said.
    """

    artist: str = NOT_STATED
    licence: str = NOT_STATED
    scope: str = NOT_STATED
    date: str = NOT_STATED

    def stated(self) -> dict[str, str]:
        """Only what is stated, in the order of the fields."""
        return {name: value for name, value in asdict(self).items() if value != NOT_STATED}


@dataclass(frozen=True)
class Character:
    """An invented character: its name, the general noun for it, its drawings and whose they are."""

    name: str
    noun: str
    drawings: tuple[Drawing, ...]
    rights: Rights = Rights()


@dataclass(frozen=True)
class Scene:
    """A wish for one picture: in `prompt` the character's name stands for the character."""

    prompt: str
    seed: int = 0
    negative: str = ""


FOLLOWS_TEXT = "follows_text"
"""In a picture's record: "no" where its painter ignores the words."""


@dataclass(frozen=True, eq=False)
class Sketch:
    """What a picture begins from, instead of noise alone.

    `pixels` is (height, width, 3) RGB of any size. `strength` from 0 to 1 is how far the picture may leave
    them: 1 begins from noise alone. `mask` (height, width) is 255 where the picture is drawn, and 0 where it
    stays as the sketch is; None draws everywhere. `name` is what the record calls it.
    """

    pixels: Pixels
    strength: float
    mask: Pixels | None = None
    name: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture that was drawn: `pixels` is (height, width, 3) RGB, `record` says how it came to be."""

    scene: Scene
    pixels: Pixels
    record: Mapping[str, str] = field(default_factory=dict)

    @property
    def follows_text(self) -> bool:
        """False if it was drawn by a painter that ignores the scene's words."""
        return self.record.get(FOLLOWS_TEXT) != "no"


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one picture.

    `likeness` is the identity score against the drawings; `attributes` maps each attribute asked for to
    whether it is right; `not_judged` names the wishes that the judge cannot read; `damage` is a probability.
    `follows_text` is False where the words were ignored when it was drawn: then no wish is judged.
    `damaged_at` is the part of the figure that is damaged most, empty where that is not known.
    """

    scene: Scene
    likeness: float
    same_character: bool
    attributes: Mapping[str, bool]
    damage: float
    damaged: bool
    not_judged: tuple[str, ...] = ()
    follows_text: bool = True
    damaged_at: str = ""

    @property
    def passed(self) -> bool:
        """True if it is the same character, all that was asked for is right, and nothing is damaged.

        What cannot be judged is never right, and so nothing is where the words were ignored.
        """
        right = self.follows_text and all(self.attributes.values()) and not self.not_judged
        return self.same_character and right and not self.damaged


@dataclass(frozen=True)
class Measure:
    """One figure about a run's pictures together: `low` to `high` is its 95% interval, where it has one.

    `n` is over how many pictures (or pairs of them) it was taken, and `says` what it means, in one sentence.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    says: str
