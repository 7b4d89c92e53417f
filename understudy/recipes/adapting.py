"""The recipes of methods that put an adapter on a frozen base."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from understudy.recipes.drawing import MAX_REFERENCES
from understudy.recipes.knobs import USUAL
from understudy.recipes.tuning import ReadsAnew

Adapter = Literal["lora", "dora", "rslora", "oft", "lokr"]
Target = Literal["attention", "cross-attention", "feed-forward", "convolutions", "time"]

_AS_THE_STUDY: Mapping[str, object] = {
    "rank": 4,
    "min_rank": 0,
    "alpha": 4.0,
    "rate_half_life": 0,
    "adam_beta2": 0.999,
    "warmup_steps": 0,
    "averaging": 0.0,
    "views": 1,
    "caption_dropout": 0.0,
    "background_weight": 1.0,
    "decoder_share": 0.0,
}
"""What the study took from diffusers' scripts, or does not have at all. Its 512 pixels and its 16-bit numbers
are a base's and a machine's own here."""


def _is_at_most(value: object, most: int) -> bool:
    """Of a knob that nobody has checked yet: it may be a number in words, or none at all."""
    try:
        return float(str(value)) <= most
    except ValueError:
        return False


class Adapting(ReadsAnew):
    """What the methods share that learn an adapter: a small change to each layer of a frozen base.

    Sources: Hu et al., LoRA, arXiv 2106.09685; Liu et al., DoRA, arXiv 2402.09353; Kalajdzievski, rsLoRA,
    arXiv 2312.03732; Qiu et al., OFT, arXiv 2306.07280; Yeh et al., LoKr, arXiv 2309.14859; Soboleva et al.,
    T-LoRA, arXiv 2507.05964.
    """

    steps: Annotated[int, USUAL] = Field(1200, ge=1)
    """How many steps to learn; a finished run goes on when this is raised."""

    adapter: Adapter = "lora"
    """What the change is made of: lora, dora, rslora, lokr, or oft, which leaves 3x3 convolutions alone.
    All other tools read lora and rslora, some read dora and lokr, and only peft reads oft."""

    rank: int = Field(32, ge=1)
    """What the adapter can hold, and its size; for oft the side of the blocks that are rotated."""

    alpha: float = Field(16.0, gt=0)
    """Strength of the adapter: its output is scaled by alpha / rank; rslora: by its root; oft has none."""

    min_rank: int = Field(8, ge=0)
    """The rank at the highest noise, from which it grows to the whole at the lowest (T-LoRA, lora only);
    other tools draw with the whole rank at every noise. 0: the same at all."""

    targets: tuple[Target, ...] = Field(("attention", "feed-forward", "convolutions", "time"), min_length=1)
    """The layers that are adapted; cross-attention is the part of attention that reads the words."""

    references: int = Field(MAX_REFERENCES, ge=0, le=MAX_REFERENCES)
    """Up to so many of the other drawings the base is shown beside each that it learns from, and of all of
    them beside each prompt, if it was trained to look at them; the embedded base is not yet."""

    pull: float = Field(0.0, ge=0)
    """Holds the weights near the base's, instead of class pictures: 0 takes these and does not, more
    is freer and less like your drawings."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_is_not_named(cls, knobs: object) -> object:
        """A least rank that nobody asked for gives way to another adapter, and to a smaller rank."""
        if not isinstance(knobs, dict) or "min_rank" in knobs:
            return knobs
        least = cls.model_fields["min_rank"].default
        is_small = _is_at_most(knobs.get("rank", cls.model_fields["rank"].default), least)
        return {**knobs, "min_rank": 0} if is_small or knobs.get("adapter", "lora") != "lora" else knobs

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.min_rank > self.rank:
            raise ValueError(f"min_rank must be at most the rank, {self.rank}")
        if self.min_rank and self.adapter != "lora":
            raise ValueError("min_rank is for the adapter lora only")
        if self.adapter == "oft" and self.rank < 2:
            raise ValueError("rank must be at least 2 for oft, which turns blocks of that side")
        if self.pull and self.quantization in ("int8", "nf4"):
            raise ValueError("pull reads the base's weights as they are: leave quantization out, or pull")
        if self.text_learning_rate and self.adapter not in ("lora", "rslora"):
            raise ValueError("text_learning_rate needs the adapter lora or rslora: others are not read there")
        return self

    @property
    def follows_noise(self) -> bool:
        """Whether the rank is another one at another noise."""
        return 0 < self.min_rank < self.rank

    @property
    def has_prior(self) -> bool:
        """Whether class pictures take part."""
        return super().has_prior and not self.pull


class DreamBoothLora(Adapting):
    """DreamBooth with a low-rank adapter (LoRA) on the denoiser: the study's best method.

    Sources: Ruiz et al., DreamBooth, arXiv 2208.12242; Hu et al., LoRA, arXiv 2106.09685.
    """

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        # On SDXL in the study; without class pictures, and every drawing is only "a picture of" its name.
        "thesis": {
            **_AS_THE_STUDY,
            "targets": ("attention",),
            "learning_rate": 1e-4,
            "weight_decay": 1e-4,
            "batch": 1,
            "accumulation": 2,
            "steps": 2000,
            "captions": False,
            "prior_weight": 0.0,
        },
    }

    method: Literal["dreambooth-lora"] = "dreambooth-lora"


class Lora(Adapting):
    """LoRA on captions alone: the character gets no name of its own, but is what the noun comes to mean.

    Source: Hu et al., LoRA, arXiv 2106.09685.
    """

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        # The study says that class pictures were added to the drawings, not how many: as many as for its
        # DreamBooth, each as often as a drawing of six.
        "thesis": {
            **_AS_THE_STUDY,
            "targets": ("cross-attention",),
            "learning_rate": 1e-5,
            "weight_decay": 1e-2,
            "batch": 6,
            "accumulation": 10,
            "steps": 1000,
            "prior_pictures": 100,
            "prior_share": 100 / 106,
        },
    }

    method: Literal["lora"] = "lora"

    needs_name: ClassVar[bool] = False

    subject: str = "{a_noun}"
    """What stands for the character in a prompt: a template of {name}, {noun} and {a_noun}, or words."""

    @model_validator(mode="after")
    def _says_its_word(self) -> Self:
        if self.vectors and "{name}" not in self.subject:
            raise ValueError("vectors make a word for the name: say {name} in the subject")
        return self
