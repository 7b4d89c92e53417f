"""The recipe of drawing from drawings that a base is shown."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from understudy.recipes.drawing import MAX_REFERENCES
from understudy.recipes.knobs import USUAL, PresetRecipe
from understudy.recipes.tuning import BASE_IS, PUPPET
from understudy.recipes.words import fill, with_article


class Reference(PresetRecipe):
    """Learn nothing: a base that can look at pictures is shown some of the drawings beside each prompt."""

    method: Literal["reference"] = "reference"

    base: Annotated[str, USUAL] = Field(
        PUPPET, description=f"The base to draw with, which can be shown pictures, e.g. klein: {BASE_IS}."
    )

    max_references: Annotated[int, USUAL] = Field(4, ge=1, le=MAX_REFERENCES)
    """How many drawings it is shown at most; more say more of the character and take more time."""

    subject: str = "the {noun} drawn in the reference images"
    """What stands for the character in a prompt: a template of {name}, {noun} and {a_noun}, or words."""

    seed: Annotated[int, USUAL] = Field(0, ge=0, lt=2**32)
    """The seed of the choice between drawings that say as much of the character."""

    @model_validator(mode="after")
    def _known_templates(self) -> Self:
        self.words("name", "noun")
        return self

    def words(self, name: str, noun: str) -> str:
        """What the base reads where a prompt says the character's name."""
        return fill(self.subject, {"name": name, "noun": noun, "a_noun": with_article(noun)})
