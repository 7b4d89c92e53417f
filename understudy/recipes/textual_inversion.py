"""The recipe of textual inversion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from understudy.recipes.knobs import USUAL, NotAll
from understudy.recipes.tuning import DECODER_SHARE_IS, MAX_VECTORS, LearnsWord


class TextualInversion(LearnsWord):
    """Only a word is learned, and a small base's decoder: the denoiser draws what it can already draw.

    Source: Gal et al., Textual Inversion, arXiv 2208.01618.
    """

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        # The paper's own, since the study did not try it: one vector, every drawing alike, Adam as it comes.
        # The rate is 0.005 for each of four pictures on two cards; its prompts' templates say no captions.
        "paper": {
            "vectors": 1,
            "initial": "{noun}",
            "learning_rate": 0.04,
            "steps": 5000,
            "batch": 4,
            "adam_beta2": 0.999,
            "weight_decay": 0.01,
            "warmup_steps": 0,
            "averaging": 0.0,
            "captions": False,
            "background_weight": 1.0,
            "views": 1,
            "decoder_share": 0.0,
            "snapshot_every": 500,
        },
    }

    method: Literal["textual-inversion"] = "textual-inversion"

    steps: int = Field(200, ge=1)
    """How many steps to learn; a finished run goes on when this is raised."""

    # As many as "a creature with green hide and a red shirt" has.
    vectors: int = Field(9, ge=1, le=MAX_VECTORS)
    """Learn a word of its own for the character, of so many vectors."""

    initial: str = "{described}"
    """What that word means to begin with: a template of {name}, {noun}, {a_noun} and {described}, the noun
    with the drawings' colours: a girl with red hair."""

    # A word far from all that the base knows makes guidance tear the picture, however low its loss.
    learning_rate: float = Field(1e-4, gt=0)
    """The learning rate of Adam, constant after the warm-up."""

    caption_dropout: NotAll = 0.0
    """Share of the pictures that are learned without their caption, from which a word learns nothing."""

    prior_weight: float = Field(0.0, ge=0)
    """Weight of the class pictures; they do not say the word, so it learns nothing from them."""

    # Of the default recipe's steps as many as of an adapter's: the drawings are the same.
    decoder_share: Annotated[NotAll, USUAL] = Field(0.6, description=DECODER_SHARE_IS)

    @model_validator(mode="after")
    def _needs_no_prior(self) -> Self:
        if self.has_prior:
            raise ValueError("a word learns nothing from class pictures: leave prior_weight at 0")
        return self
