"""The recipes of methods on a pretrained base."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from understudy.recipes.computing import LEAVES, Computing, Quantization
from understudy.recipes.knobs import MAX_DENOISING_STEPS, USUAL, NotAll, PresetRecipe, Share
from understudy.recipes.words import fill, fill_wording, learned_word, with_article

PUPPET = "puppet"
"""The name of the base that comes with the package."""
BASE_IS = "a short name (see understudy bases), a repository of the Hub, a folder or a .safetensors file"
DECODER_SHARE_IS = (
    "For so many steps more, as a share of `steps`, the decoder of the autoencoder learns the drawings, so\n"
    "that hues and small shapes come out as they are drawn: on the embedded base and others of its size and\n"
    "layout. Other tools draw without it, unless a whole pipeline is saved. 0 leaves it as it is."
)
MAX_VECTORS = 32
"""So that there is room for the rest of the prompt."""

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
    """Learn nothing: the character is described in words (the study's prompt-only baseline).

    Several wordings are each drawn a little, and the judge keeps the best.
    """

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "made": {},
        # One line, then refined: the study's two, for a character of ours.
        "thesis": {
            "descriptions": ("a photo of {a_noun}", "a cartoon of {a_noun} with {looks}"),
            "trial_steps": 25,
        },
    }

    method: Literal["prompt-only"] = "prompt-only"

    base: Annotated[str, USUAL] = Field(PUPPET, description=f"The base to draw with: {BASE_IS}.")

    description: Annotated[str, USUAL] = ""
    """What stands for the character in a prompt, e.g. "a girl with red hair"; empty: the best of several."""

    descriptions: Annotated[tuple[str, ...], USUAL] = ()
    """Wordings to try: templates of {noun}, {a_noun} and {looks}, its colours; none: made from drawings."""

    seed: Annotated[int, USUAL] = Field(0, ge=0, lt=2**32)
    """The seed of the trial's pictures."""

    trial_pictures: int = Field(4, ge=1)
    """How many pictures of each wording are drawn for the judge to choose by."""

    trial_steps: int = Field(15, ge=1, le=MAX_DENOISING_STEPS)
    """Denoising steps of the trial's pictures."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.description and self.descriptions:
            raise ValueError("give either a description or several descriptions")
        for template in self.descriptions:
            fill_wording(template, "noun", "looks")
        return self

    def words(self, name: str, noun: str) -> str:
        """What the base reads where a prompt says the character's name, where no trial says it better."""
        return self.description or with_article(noun)


class Finetune(Computing):
    """What all methods share that train a part of a base on the drawings."""

    base: Annotated[str, USUAL] = Field(PUPPET, description=f"The base to learn on: {BASE_IS}.")

    resolution_px: int = Field(0, ge=0, multiple_of=16)
    """Side of the pictures that are learned from; 0: the base's own. Smaller needs less memory and time."""

    needs_name: ClassVar[bool] = True
    """Whether what stands for the character must say its name."""

    subject: str = "{name}"
    """What stands for the character in a prompt: a template of {name}, {noun} and {a_noun}."""

    accumulation: int = Field(1, ge=1)
    """Batches whose gradients make one step: learns as a larger batch does, in less memory."""

    learning_rate: float = Field(3e-3, gt=0)
    """The learning rate of Adam, constant after the warm-up unless it has a half-life."""

    rate_half_life: int = Field(0, ge=0)
    """Steps in which the learning rate falls by half, again and again; 0 leaves it constant."""

    optimizer: Literal["adam", "adam-8bit"] = "adam"
    """What learns: adam, or adam-8bit, which needs a quarter of its memory and the package bitsandbytes."""

    adam_beta2: float = Field(0.99, gt=0, lt=1)
    """How slowly Adam forgets gradients' sizes; some hundred steps are too short for the usual 0.999."""

    warmup_steps: int = Field(20, ge=0)
    """Steps in which the learning rate rises from nothing."""

    weight_decay: float = Field(0.0, ge=0)
    """Pull of the trained weights towards zero."""

    max_gradient_norm: float = Field(1.0, ge=0)
    """Scale all gradients of a step down where their norm together is larger; 0 takes them as they are."""

    paper_jitter: Share = 0.0
    """How far a variant's paper may go towards any other colour, as a share of the way."""

    captions: bool = True
    """Learn the drawings with what their captions say; without, each is only "a picture of" the character."""

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

    noise_lean: float = Field(1.0, gt=0)
    """Above 1 the drawings are learned more at low noise, where details are, and less at high noise."""

    size_shift: bool = False
    """Learn at the more noise the larger the pictures are, as a base that can (FLUX) draws them."""

    decoder_share: Annotated[NotAll, USUAL] = Field(0.1, description=DECODER_SHARE_IS)

    @model_validator(mode="after")
    def _known_templates(self) -> Self:
        if self.needs_name and "{name}" not in self.subject:
            raise ValueError("subject must contain {name}")
        self.words("name", "noun")
        for number in range(len(self.prior_prompts)):
            self.prior_prompt(number, "noun")
        return self

    @property
    def has_prior(self) -> bool:
        """Whether class pictures take part."""
        return self.prior_weight > 0 and self.prior_share > 0

    @property
    def decoder_steps(self) -> int:
        """How many steps the decoder learns."""
        return int(self.decoder_share * self.steps)

    def words(self, name: str, noun: str) -> str:
        """What the base reads where a prompt says the character's name."""
        return fill(self.subject, {"name": name, "noun": noun, "a_noun": with_article(noun)})

    def prior_prompt(self, number: int, noun: str) -> str:
        """The prompt of the class picture with this number."""
        template = self.prior_prompts[number % len(self.prior_prompts)]
        return fill(template, {"noun": noun, "a_noun": with_article(noun)})


class LearnsWord(Finetune):
    """What the methods share that can give the character a word of its own, whose vectors are learned.

    Source: Gal et al., Textual Inversion, arXiv 2208.01618.
    """

    quantization: Literal["auto", Quantization] = "auto"
    """How the frozen denoiser's weights are kept: none (as they compute), int8 or nf4, for less memory, more
    time and a little less exactness; needs a package. auto: what the graphics card's memory asks for."""

    vectors: int = Field(0, ge=0, le=MAX_VECTORS)
    """Learn a word of its own for the character, of so many vectors; 0 takes the name as it is."""

    initial: str = "{a_noun}"
    """What that word means to begin with: a template of {name}, {noun}, {a_noun} and {described}, the noun
    with the drawings' colours: a girl with red hair."""

    @model_validator(mode="after")
    def _leaves_as_it_is(self) -> Self:
        if self.offload in LEAVES and self.quantization in ("int8", "nf4"):
            raise ValueError(
                f"offload {self.offload} takes weights as they are: leave quantization out, or offload"
            )
        return self

    @model_validator(mode="after")
    def _known_initial(self) -> Self:
        self.initial_words("name", "noun")
        return self

    def words(self, name: str, noun: str) -> str:
        """What the base reads where a prompt says the character's name."""
        return super().words(learned_word(name) if self.vectors else name, noun)

    @property
    def begins_described(self) -> bool:
        """Whether it learns a word that begins with the character's description."""
        return self.vectors > 0 and "{described}" in self.initial

    def initial_words(self, name: str, noun: str, described: str = "") -> str:
        """What the learned word means to begin with; `described` is the noun where nothing more is known."""
        a_noun = with_article(noun)
        fields = {"name": name, "noun": noun, "a_noun": a_noun, "described": described or a_noun}
        return fill(self.initial, fields)


class ReadsAnew(LearnsWord):
    """What the adapters share that may also change how the words are read.

    Source of learning a word and the denoiser together: Roich et al., Pivotal Tuning, arXiv 2106.05744.
    """

    word_learning_rate: float = Field(5e-3, gt=0)
    """The learning rate of the character's own word, where there is one."""

    word_steps: int = Field(200, ge=1)
    """Steps in which that word learns; afterwards it stays, and the adapter goes on."""

    text_learning_rate: float = Field(0.0, ge=0)
    """The learning rate of the text encoder; 0 leaves it as it is."""
