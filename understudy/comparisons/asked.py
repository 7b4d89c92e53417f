"""What is asked for in a comparison: characters, rows, and how they are drawn and judged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from understudy.bases.recommended import suited_knobs
from understudy.domain import UserError
from understudy.events import Notify, ignore
from understudy.recipes import PUPPET, RECIPES, DrawSettings, Learning, Recipe, explain
from understudy.recipes.knobs import Knobs
from understudy.recipes.tuning import BASE_IS
from understudy.world.captions import STUDY_PROMPTS
from understudy.world.reading import is_plain_word

KEPT_FROM = 1000
"""Heroes from this seed on are for the final judging only."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Count = Annotated[int, Field(ge=1)]


class Entry(Knobs):
    """A character to compare on: drawings with a name, or an invented hero."""

    hero: Seed | None = None
    """The seed of an invented hero."""

    drawings: str | None = None
    """A folder or zip of drawings, from where the comparison's file lies."""

    name: str = ""
    """What prompts call the character; a hero has its own."""

    noun: str = "character"
    """What the character is: girl, boy, cat, robot ..."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.hero is None) == (self.drawings is None):
            raise ValueError("give either a hero's seed or a folder of drawings")
        if (self.hero is None) != bool(self.name.strip()):
            raise ValueError("drawings need a name, and a hero has its own")
        if self.name and (is_plain_word(self.name) or not slug(self.name)):
            raise ValueError(f"{self.name!r} cannot be told from other words of a prompt, take another name")
        return self


class Row(Knobs):
    """A method with its knobs; one line of the table, or several that share what was learned."""

    method: str
    """A method of understudy learn."""

    preset: str | None = None
    """A named set of the method's knobs."""

    label: str = ""
    """What the table calls the row; the method and the preset, if it is left out."""

    knobs: dict[str, object] = Field(default_factory=dict)
    """Knobs of the method's recipe, over those of the preset."""

    learning_seeds: tuple[Seed, ...] | None = Field(None, min_length=1)
    """Seeds of learning for this row alone."""

    at_steps: tuple[Count, ...] = ()
    """Steps of which the weights are judged, each a line of its own; one run serves them all."""

    draw_steps: tuple[Count, ...] = ()
    """Numbers of denoising steps to draw with, each a line of its own; one run serves them all."""

    @property
    def title(self) -> str:
        """Its label, or what it is made of."""
        return self.label or ", ".join(part for part in (self.method, self.preset) if part)

    def recipe(self, base: str, seed: int | None, notify: Notify = ignore) -> Recipe:
        """The recipe with this seed of learning; raises `UserError` for what does not fit.

        `base` is for methods that have one, and whose knobs name no other.
        """
        kind = RECIPES.get(self.method)
        if kind is None:
            raise UserError(f"method: there is no {self.method!r}, take one of {', '.join(RECIPES)}")
        given: dict[str, object] = {"base": base} if "base" in kind.model_fields else {}
        if self.preset is None:
            given = {**suited_knobs(self.method, self.knobs.get("base", base), notify), **given}
        given |= self.knobs | ({} if seed is None else {"seed": seed})
        try:
            return kind.model_validate(given) if self.preset is None else kind.from_preset(self.preset, given)
        except ValidationError as error:
            raise UserError(f"knobs: {explain(error)}") from error
        except UserError as error:
            raise UserError(f"preset: {error}") from error


class Comparison(Knobs):
    """What is compared; all but the characters and the rows may be left out."""

    title: str = "Methods compared"
    """What the page is called."""

    characters: tuple[Entry, ...] = Field(min_length=1)
    """The characters that every row learns."""

    rows: tuple[Row, ...] = Field(min_length=1)
    """The methods and their knobs, in the order of the table."""

    reference: str | None = None
    """The label of the line that the others are compared with; the best one, if it is left out."""

    base: str = Field(
        PUPPET,
        description=f"The base of all rows that need one: {BASE_IS}, from where the comparison's file lies.",
    )

    prompts: tuple[str, ...] = Field(STUDY_PROMPTS, min_length=1)
    """Scenes; {name} stands for the character's name."""

    pictures: int = Field(3, ge=1, le=10_000)
    """Pictures of each prompt."""

    seed: Seed = 0
    """The first picture's seed; the next count up, alike for all rows."""

    learning_seeds: tuple[Seed, ...] = Field((0,), min_length=1)
    """Seeds of learning: with more than one the table says how much they change."""

    draw: DrawSettings = DrawSettings()
    """The settings of drawing, alike for all rows."""

    drift: bool = True
    """Draw sixteen pictures more of each line: has learning changed what else is drawn?"""

    grid_intensity: float | None = Field(None, ge=0)
    """Grams of CO2e for a kWh where you are; the world's average, if it is left out."""

    animate: bool = False
    """Show the lines one after the other in a moving picture, in the order of the table."""

    judging: bool = False
    """Allow heroes from seed 1000 on, which are kept for the final judging."""

    @model_validator(mode="after")
    def _no_doubles(self) -> Self:
        _refuse_doubles(
            "rows: labels must differ in a letter or digit, not so", [row.title for row in self.rows]
        )
        _refuse_doubles("characters: twice there is", [name_of(entry) for entry in self.characters])
        for seeds in (self.learning_seeds, *(row.learning_seeds or () for row in self.rows)):
            _refuse_doubles("learning_seeds: twice there is", list(map(str, seeds)))
        if len(set(self.prompts)) < len(self.prompts):
            raise ValueError("prompts: one is there twice")
        if not self.judging and any((entry.hero or 0) >= KEPT_FROM for entry in self.characters):
            raise ValueError(
                f"characters: heroes from {KEPT_FROM} on are for judging only; say judging = true if meant"
            )
        return self


def check(comparison: Comparison, notify: Notify = ignore) -> None:
    """Raise `UserError`, with the key in it, where a row cannot be learned as it says."""
    for number, row in enumerate(comparison.rows, start=1):
        try:
            _check_row(row, comparison.base, notify)
        except UserError as error:
            raise UserError(f"rows.{number}.{str(error).rstrip('.')}") from error


def name_of(entry: Entry) -> str:
    """The name of an entry's folder."""
    return slug(entry.name) if entry.hero is None else f"hero-{entry.hero}"


def slug(text: str) -> str:
    """A text as the name of a folder."""
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def _check_row(row: Row, base: str, notify: Notify) -> None:
    recipe = row.recipe(base, None, notify)
    if "seed" in row.knobs:
        raise UserError("knobs.seed: say it in learning_seeds")
    for steps in row.draw_steps:
        try:
            DrawSettings(steps=steps)
        except ValidationError as error:
            raise UserError(f"draw_steps: {explain(error)}") from error
    if not row.at_steps:
        return
    if not isinstance(recipe, Learning):
        raise UserError(f"at_steps: {row.method} learns in no steps")
    for step in row.at_steps:
        if step > recipe.steps or (step % recipe.snapshot_every and step != recipe.steps):
            raise UserError(
                f"at_steps: no weights are kept of step {step}, only of every {recipe.snapshot_every} "
                f"up to {recipe.steps}; change snapshot_every or steps in its knobs"
            )


def _refuse_doubles(what: str, names: Sequence[str]) -> None:
    seen = {""}  # what has neither letter nor digit names no folder
    for name in names:
        if slug(name) in seen:
            raise ValueError(f"{what} {name!r}")
        seen.add(slug(name))
