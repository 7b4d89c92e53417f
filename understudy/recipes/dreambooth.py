"""The recipe of DreamBooth on the whole denoiser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from understudy.recipes.computing import LEAVES
from understudy.recipes.knobs import USUAL, NotAll
from understudy.recipes.tuning import DECODER_SHARE_IS, Finetune


class DreamBooth(Finetune):
    """DreamBooth: the whole denoiser learns, class pictures hold on to the rest.

    Source: Ruiz et al., DreamBooth, arXiv 2208.12242.
    """

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        # Of the study's settings, 512 px cannot apply to the embedded base, which has its own size; 8-bit
        # Adam and checkpointing save memory, which it does not need: give them for a larger one. The study's
        # batch of two drawings brought as many class pictures, so it is four, half of them class pictures.
        "thesis": {
            "learning_rate": 1e-6,
            "text_learning_rate": 1e-6,
            "steps": 1000,
            "batch": 4,
            "prior_share": 0.5,
            "prior_weight": 1.0,
            "prior_pictures": 100,
            "prior_prompts": ("a picture of {a_noun}",),
            "adam_beta2": 0.999,
            "weight_decay": 0.01,
            "warmup_steps": 0,
            "averaging": 0.0,
            "captions": False,
            "caption_dropout": 0.0,
            "background_weight": 1.0,
            "views": 1,
            "decoder_share": 0.0,
            "save_as": "pipeline",
            "snapshot_every": 500,
        },
    }

    method: Literal["dreambooth"] = "dreambooth"

    learning_rate: float = Field(3e-4, gt=0)
    """The learning rate of Adam, constant after the warm-up."""

    text_learning_rate: float = Field(0.0, ge=0)
    """The learning rate of the text encoder; 0 leaves it as it is."""

    # Of the default recipe's steps as many as of an adapter's: the drawings are the same.
    decoder_share: Annotated[NotAll, USUAL] = Field(0.3, description=DECODER_SHARE_IS)

    save_as: Literal["difference", "pipeline"] = "difference"
    """What is kept: the difference from the base, or a whole pipeline that other tools open."""

    fused_backward: Literal["auto", "yes", "no"] = "auto"
    """Move each weight within the backward pass and free its gradient at once, for less memory by nearly all
    gradients and the same weights. Asks for max_gradient_norm 0, accumulation 1, no fp16 and one process.
    auto: where these are so, what the graphics card's memory asks for."""

    # Each is as large as the denoiser: with the default steps one in the middle and the last are kept.
    snapshot_every: int = Field(200, ge=1)
    """Steps between weights that are kept for good and shown to the reviewer."""

    @model_validator(mode="after")
    def _stays_where_it_learns(self) -> Self:
        if self.offload in LEAVES:
            raise ValueError(f"offload {self.offload} is for a denoiser that does not learn: take encoders")
        return self

    @model_validator(mode="after")
    def _frees_what_it_can(self) -> Self:
        if self.fused_backward == "yes" and self.keeps_gradients:
            raise ValueError(f"fused_backward frees each gradient at once, {self.keeps_gradients}")
        return self

    @property
    def keeps_gradients(self) -> str | None:
        """What needs all gradients after the backward pass, and what would not; None where nothing does."""
        if self.max_gradient_norm > 0:
            return "but max_gradient_norm asks for the norm of all: set it to 0"
        if self.accumulation > 1:
            return "but accumulation adds those of several batches: set it to 1"
        if self.precision == "fp16":
            return "but fp16 may overflow, which is known when all are there: take precision bf16 or fp32"
        return None
