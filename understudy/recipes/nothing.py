"""The recipes of methods that need no base."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from understudy.recipes.knobs import MAX_DENOISING_STEPS, USUAL, NotAll, Share
from understudy.recipes.learning import Learning

Augmentation = Literal["colour", "translation", "cutout"]

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


def _power_of_two(side: int) -> int:
    if side.bit_count() != 1:
        raise ValueError("must be 32, 64, 128 or 256")
    return side


Side = Annotated[int, Field(ge=32, le=256), AfterValidator(_power_of_two)]


class FromNothing(Learning):
    """What the methods share that need no base: they know nothing but the drawings."""

    steps: Annotated[int, USUAL] = Field(2000, ge=1)
    """How many steps to learn; a finished run goes on when this is raised."""

    size_px: Annotated[Side, USUAL] = 64
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
