"""Every knob: one recipe per method and the settings of drawing; their docstrings are the help everywhere.

Nothing here needs torch, so that a command line, a web form and the documents read the same text.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from understudy.domain import UserError

PUPPET = "puppet"
"""The name of the base that comes with the package."""

Share = Annotated[float, Field(ge=0, le=1)]
NotAll = Annotated[float, Field(ge=0, lt=1)]
"""A share that leaves something for the others."""
MAX_DENOISING_STEPS = 1000
"""As many as noise schedules have."""
MAX_SIDE_PX = 2048
Augmentation = Literal["colour", "translation", "cutout"]
Target = Literal["attention", "feed-forward", "convolutions", "time"]
Scheduler = Literal["dpm++", "dpm++-sde", "ddim", "euler", "euler-a", "unipc", "heun"]

_DCGAN: Mapping[str, object] = {
    "network": "dcgan",
    "loss": "cross-entropy",
    "channels": 64,
    "averaging": 0.0,
    "initial_deviation": 0.0,
    "augmentation": (),
    "reconstruction": 0.0,
    "views": 1,
    "samples_every": 20,
}
"""The study's GAN; the channels and the loss, which it does not say, are DCGAN's."""

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


def _power_of_two(side: int) -> int:
    if side.bit_count() != 1:
        raise ValueError("must be 32, 64, 128 or 256")
    return side


Side = Annotated[int, Field(ge=32, le=256), AfterValidator(_power_of_two)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _can_be_written(cls, value: object) -> object:
        """A command line hands over bytes that are no text as lone surrogates, which no file can hold."""
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text):
                raise ValueError("these bytes are no text")
        return value


class _Recipe(_Frozen):
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


class PromptOnly(_Recipe):
    """Learn nothing: the character is described in words (the study's prompt-only baseline)."""

    method: Literal["prompt-only"] = "prompt-only"

    base: str = PUPPET
    """The base to draw with: "puppet", or a folder in Stable Diffusion 1.x layout."""

    description: str = ""
    """What stands for the character in a prompt, e.g. "a girl with red hair"; empty: "a" and the noun."""

    def words(self, name: str, noun: str) -> str:
        """What the base reads where a prompt says the character's name."""
        return self.description or with_article(noun)


class Learning(_Recipe):
    """What all methods share that learn from the drawings step by step."""

    steps: int = Field(400, ge=1)
    """How many steps to learn; a finished run goes on when this is raised."""

    seed: int = Field(0, ge=0, lt=2**32)
    """The seed of all that is random in learning."""

    averaging: float = Field(0.98, ge=0, lt=1)
    """Decay of the running average of the weights, which is what draws; 0 takes the last weights."""

    batch: int = Field(6, ge=1)
    """Pictures in one step."""

    views: int = Field(8, ge=1)
    """Variants of each drawing: the first as it is, the others moved and scaled a little."""

    scale_jitter: float = Field(0.06, ge=0, lt=1)
    """How much smaller or larger a variant may be, as a share of its size."""

    place_jitter: float = Field(0.04, ge=0, lt=1)
    """How far a variant may be moved, as a share of the picture's side."""

    flips: bool = False
    """Mirror half of the variants; only for characters that look alike from both sides."""

    snapshot_every: int = Field(100, ge=1)
    """Steps between weights that are kept for good and shown to the reviewer."""


class Finetune(Learning):
    """What all methods share that train a part of a base on the drawings."""

    base: str = PUPPET
    """The base to learn on: "puppet", or a folder in Stable Diffusion 1.x layout."""

    subject: str = "{name}"
    """What stands for the character in a prompt: a template of {name} and {noun}."""

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
        return _fill(self.subject, {"name": name, "noun": noun})

    def prior_prompt(self, number: int, noun: str) -> str:
        """The prompt of the class picture with this number."""
        template = self.prior_prompts[number % len(self.prior_prompts)]
        return _fill(template, {"noun": noun, "a_noun": with_article(noun)})


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


class FromNothing(Learning):
    """What the methods share that need no base: they know nothing but the drawings."""

    steps: int = Field(2000, ge=1)
    """How many steps to learn; a finished run goes on when this is raised."""

    size_px: Side = 64
    """Side of the pictures: 32, 64, 128 or 256."""

    channels: int = Field(32, ge=8, le=256, multiple_of=8)
    """Channels of the networks where they are finest; more learn better and slower."""

    learning_rate: float = Field(2e-4, gt=0)
    """The learning rate of Adam."""

    averaging: float = Field(0.995, ge=0, lt=1)
    """Decay of the running average of the weights, which is what draws; 0 takes the last weights."""

    snapshot_every: int = Field(500, ge=1)
    """Steps between weights that are kept for good and shown to the reviewer."""

    samples_every: int = Field(100, ge=1)
    """Steps between the sheets of pictures in the run's folder "samples"."""


class Gan(FromNothing):
    """Two players from nothing: one draws, the other tells its pictures from the drawings; no words are read.

    Sources: Radford et al., DCGAN, arXiv 1511.06434; Liu et al., FastGAN, arXiv 2101.04775; Zhao et al.,
    DiffAugment, arXiv 2006.10738.
    """

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "few-shot": {},
        # One step is one epoch of six drawings.
        "dcgan": {**_DCGAN, "steps": 100},
        # With its weights' beginning and its checkpoints; going on from one is what every run does.
        "dcgan-resumed": {**_DCGAN, "steps": 200, "initial_deviation": 0.02, "snapshot_every": 20},
    }

    method: Literal["gan"] = "gan"

    channels: int = Field(16, ge=8, le=256, multiple_of=8)
    """Channels of the networks where they are finest; more learn better and slower."""

    network: Literal["dcgan", "fastgan"] = "fastgan"
    """Which two networks play: the study's dcgan, or fastgan for few drawings."""

    latent: int = Field(128, ge=1)
    """How many numbers a picture is made from."""

    loss: Literal["hinge", "cross-entropy"] = "hinge"
    """How the players are scored."""

    adam_beta1: float = Field(0.5, ge=0, lt=1)
    """How slowly Adam forgets gradients' directions."""

    initial_deviation: float = Field(0.02, ge=0)
    """Standard deviation of the weights to begin with; 0 takes each layer's own."""

    augmentation: tuple[Augmentation, ...] = ("colour", "translation", "cutout")
    """What is done alike to drawings and pictures before the second player sees them."""

    reconstruction: float = Field(1.0, ge=0)
    """Weight of the second player's duty to redraw what it sees, which keeps it from memorising."""


class ScratchDiffusion(FromNothing):
    """A denoiser from nothing but the drawings.

    Sources: Ho et al., DDPM, arXiv 2006.11239; Salimans & Ho, arXiv 2202.00512; Karras et al., EDM, arXiv
    2206.00364.
    """

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "modern": {},
        "thesis": {
            "size_px": 32,
            "prediction": "next-level",
            "noise_levels": 5,
            "error": "absolute",
            "learning_rate": 8e-4,
            "averaging": 0.0,
            "augmented": 0.0,
            "views": 1,
        },
    }

    method: Literal["scratch-diffusion"] = "scratch-diffusion"

    learning_rate: float = Field(5e-4, gt=0)
    """The learning rate of Adam."""

    prediction: Literal["velocity", "next-level"] = "velocity"
    """What the denoiser answers: velocity (v), or the picture one noise level cleaner."""

    noise_levels: int = Field(1000, ge=2, le=MAX_DENOISING_STEPS)
    """How many levels of noise there are; with next-level also how many steps a picture takes."""

    error: Literal["square", "absolute"] = "square"
    """How errors count."""

    augmented: Share = 0.15
    """How often drawings are mirrored, turned, scaled or moved, each; the denoiser is told, so none leaks."""

    captions: bool = False
    """Learn the captions' words too; prompts are then followed as far as they use these."""

    caption_dropout: NotAll = 0.1
    """Share of the pictures that are learned without their caption, which guidance needs."""

    @model_validator(mode="after")
    def _levels_fit(self) -> Self:
        if self.prediction == "velocity" and self.noise_levels < 100:
            raise ValueError(
                "prediction velocity needs at least 100 noise_levels; next-level does with fewer"
            )
        return self


Recipe = Annotated[DreamBoothLora | PromptOnly | Gan | ScratchDiffusion, Field(discriminator="method")]


class DrawSettings(_Frozen):
    """How pictures are drawn; what they show is said by their scenes."""

    steps: int = Field(25, ge=1, le=MAX_DENOISING_STEPS)
    """Denoising steps; beyond 50 nothing improves."""

    guidance: float = Field(4.0, ge=1)
    """How strictly the prompt is followed; 1 is without guidance."""

    negative: str = ""
    """What must not be in the pictures, for scenes that do not say it themselves."""

    width: int | None = Field(None, ge=1, le=MAX_SIDE_PX)
    """Pixels from left to right; a base draws best at its own size."""

    height: int | None = Field(None, ge=1, le=MAX_SIDE_PX)
    """Pixels from top to bottom."""

    scheduler: Scheduler | None = None
    """How noise becomes a picture, step by step: dpm++, dpm++-sde, ddim, euler, euler-a, unipc or heun."""

    batch: int = Field(4, ge=1)
    """Pictures drawn at once: changes the speed and the memory, and of a picture only the last digits."""


def place_subject(prompt: str, name: str, words: str) -> str:
    """`prompt` with `words` wherever it says the character's `name`, as a whole word in any case."""
    return _saying(name).sub(lambda _: words, prompt)


def says_name(prompt: str, name: str) -> bool:
    """Whether `prompt` says the character's `name`, as a whole word in any case."""
    return _saying(name).search(prompt) is not None


def with_article(noun: str) -> str:
    """ "a girl", "an owl"."""
    return f"{'an' if noun[:1].lower() in tuple('aeiou') else 'a'} {noun}"


def _saying(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)


def _fill(template: str, values: dict[str, str]) -> str:
    """Fill {fields}; raises `ValueError` where the template has others."""
    unknown = set(re.findall(r"\{(.*?)\}", template)) - set(values)
    if unknown:
        raise ValueError(f"{template!r} has {{{min(unknown)}}}, but only {sorted(values)} can be filled in")
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template)


_RECIPES: TypeAdapter[Recipe] = TypeAdapter(Recipe)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe's TOML file; raises `UserError` if it is no recipe."""
    try:
        return _RECIPES.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a TOML file ({error}): mend it.") from error
    except ValidationError as error:
        raise UserError(f"{path} is not a recipe: {explain(error)}.") from error


def explain(error: ValidationError) -> str:
    """The first mistake of a recipe in a few words."""
    first = error.errors()[0]
    methods = ("dreambooth-lora", "prompt-only", "gan", "scratch-diffusion")
    place = ".".join(str(part) for part in first["loc"] if part not in methods)
    return f"{place}: {first['msg']}" if place else first["msg"]


def write_toml(recipe: BaseModel) -> str:
    """A recipe as TOML, every knob with its help as a comment; `read_recipe` is the inverse."""
    lines = []
    for name, value in recipe.model_dump(mode="json").items():
        help_text = type(recipe).model_fields[name].description
        lines += [f"# {line}" for line in (help_text or "").splitlines()]
        # JSON's strings, numbers, booleans and flat lists are TOML's too, but for one bare character.
        lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f"))
    return "\n".join(lines) + "\n"
