"""The recipes of methods on a pretrained base."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from understudy.recipes.knobs import MAX_DENOISING_STEPS, NotAll, PresetRecipe, Share
from understudy.recipes.learning import Learning
from understudy.recipes.words import fill, with_article

PUPPET = "puppet"
"""The name of the base that comes with the package."""
Precision = Literal["auto", "fp32", "bf16"]
Target = Literal["attention", "feed-forward", "convolutions", "time"]

PRIOR_PROMPTS = (
    "a picture of {a_noun} standing, front view",
    "a picture of {a_noun} standing, side view",
    "a picture of {a_noun} standing, back view",
    "a picture of {a_noun} waving",
    "a picture of {a_noun} running",
    "a picture of {a_noun} jumping",
    "a picture of {a_noun} sitting",
    "a picture of {a_noun} praying",
    "a picture of {a_noun} with hands on face",
    "a picture of {a_noun} with ice cream",
    "a picture of {a_noun} holding a book",
    "a picture of {a_noun} eating a sandwich",
    "a picture of {a_noun} in front of a castle",
    "a picture of {a_noun} watching the sunset",
    "a picture of {a_noun} walking in the woods",
    "a picture of {a_noun} looking up",
    "a picture of a sad {noun}",
    "a picture of a smiling {noun}",
    "a picture of an angry {noun}",
    "a picture of a laughing {noun}",
)


class PromptOnly(PresetRecipe):
    """Learn nothing: the character is described in words (the study's prompt-only baseline)."""

    method: Literal["prompt-only"] = "prompt-only"

    base: str = PUPPET
    """The base to draw with: "puppet", or a folder in Stable Diffusion 1.x layout."""

    description: str = ""
    """What stands for the character in a prompt, e.g. "a girl with red hair"; empty: "a" and the noun."""

    def words(self, name: str, noun: str) -> str:
        """What the base reads where a prompt says the character's name."""
        return self.description or with_article(noun)


class Finetune(Learning):
    """What all methods share that train a part of a base on the drawings."""

    base: str = PUPPET
    """The base to learn on: "puppet", or a folder in Stable Diffusion 1.x layout."""

    subject: str = "{name}"
    """What stands for the character in a prompt: a template of {name} and {noun}."""

    precision: Precision = "auto"
    """The numbers that the frozen base computes in: fp32, or bf16, which some processors are faster with;
    what is trained is always fp32. auto: fp32, but bf16 for a large base on a graphics card."""

    learning_rate: float = Field(3e-3, gt=0)
    """The learning rate of Adam, constant after the warm-up."""

    adam_beta2: float = Field(0.99, gt=0, lt=1)
    """How slowly Adam forgets gradients' sizes; some hundred steps are too short for the usual 0.999."""

    warmup_steps: int = Field(20, ge=0)
    """Steps in which the learning rate rises from nothing."""

    weight_decay: float = Field(0.0, ge=0)
    """Pull of the trained weights towards zero."""

    paper_jitter: Share = 0.0
    """How far a variant's paper may go towards any other colour, as a share of the way."""

    caption_dropout: NotAll = 0.1
    """Share of the pictures that are learned without their caption, which guidance needs."""

    background_weight: Share = 0.3
    """Weight of the paper around the figure in the loss; 1 treats both alike."""

    prior_weight: float = Field(1.0, ge=0)
    """Weight of the class pictures, which keep the base's knowledge; 0 does without them."""

    prior_share: NotAll = 0.1
    """Share of the pictures in a step that are class pictures."""

    prior_pictures: int = Field(64, ge=1)
    """How many class pictures the base draws before it learns."""

    prior_steps: int = Field(15, ge=1, le=MAX_DENOISING_STEPS)
    """Denoising steps for a class picture."""

    prior_guidance: float = Field(3.0, ge=1)
    """Guidance for a class picture."""

    prior_prompts: tuple[str, ...] = Field(PRIOR_PROMPTS, min_length=1)
    """What the class pictures show, in turn: templates of {noun} and {a_noun}."""

    min_snr: float = Field(0.0, ge=0)
    """Cap of the signal-to-noise ratio in the loss weight (arXiv 2303.09556), commonly 5; 0 for none."""

    @model_validator(mode="after")
    def _known_templates(self) -> Self:
        if "{name}" not in self.subject:
            raise ValueError("subject must contain {name}")
        self.words("name", "noun")
        for number in range(len(self.prior_prompts)):
            self.prior_prompt(number, "noun")
        return self

    @property
    def has_prior(self) -> bool:
        """Whether class pictures take part."""
        return self.prior_weight > 0 and self.prior_share > 0

    def words(self, name: str, noun: str) -> str:
        """What the base reads where a prompt says the character's name."""
        return fill(self.subject, {"name": name, "noun": noun})

    def prior_prompt(self, number: int, noun: str) -> str:
        """The prompt of the class picture with this number."""
        template = self.prior_prompts[number % len(self.prior_prompts)]
        return fill(template, {"noun": noun, "a_noun": with_article(noun)})


class DreamBoothLora(Finetune):
    """DreamBooth with a low-rank adapter (LoRA) on the denoiser: the study's best method.

    Sources: Ruiz et al., DreamBooth, arXiv 2208.12242; Hu et al., LoRA, arXiv 2106.09685.
    """

    method: Literal["dreambooth-lora"] = "dreambooth-lora"

    rank: int = Field(16, ge=1)
    """Rank of the adapter: what it can hold, and its size."""

    alpha: float = Field(16.0, gt=0)
    """Strength of the adapter: its output is scaled by alpha / rank."""

    targets: tuple[Target, ...] = Field(("attention", "feed-forward", "convolutions", "time"), min_length=1)
    """The layers that are adapted."""
