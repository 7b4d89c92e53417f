"""Diffusion from nothing but the drawings: at the study's settings, and as it is done today."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from understudy.domain import Character, Scene, UserError
from understudy.events import Note, Notify, Step
from understudy.methods.augmenting import NUM_LABELS, augment_and_tell
from understudy.methods.computing.planning import choose_plan, following
from understudy.methods.credits import describe_learning, write_weights
from understudy.methods.denoising import Denoiser, Levels, NextLevel, make_velocity_levels
from understudy.methods.drawn_pixels import DrawnPixels, make_pixels
from understudy.methods.examples import keyed
from understudy.methods.loop import Training, learn_steps
from understudy.methods.painting import Painter
from understudy.methods.pixel_painting import PixelPainter, seeded_noise
from understudy.methods.records import describe_run
from understudy.methods.reviewing import Review
from understudy.methods.samples import NUM_SAMPLES, write_samples
from understudy.recipes import DrawSettings, ScratchDiffusion
from understudy.runs import Checkpoint, Run

WEIGHTS_FILE = "denoiser.safetensors"
CONFIG_FILE = "denoiser.json"
SAMPLE_STEPS = 15
FILLERS = frozenset({"a", "an", "the", "of", "picture"})
"""Words that say nothing about a picture."""


@dataclass(frozen=True)
class Shape:
    """What decides a denoiser's form, and the `words` that it knows, in the order of its inputs."""

    size_px: int
    width: int
    words: tuple[str, ...]

    def make(self) -> Denoiser:
        """A fresh network of this form."""
        return Denoiser(self.size_px, self.width, len(self.words))

    def say(self, texts: Sequence[str]) -> Tensor:
        """(texts, words): 1 for each word that a text says; other words are nothing to it."""
        said = [set(find_words(text)) for text in texts]
        rows = [[float(word in words) for word in self.words] for words in said]
        return torch.tensor(rows).reshape(len(texts), len(self.words))


def find_words(text: str) -> list[str]:
    """The words that say something, in lower case and in the text's order."""
    return [word for word in re.findall(r"[^\W_]+", text.lower()) if word not in FILLERS]


def learn(character: Character, recipe: ScratchDiffusion, run: Run, review: Review, notify: Notify) -> None:
    """Learn from where the run is to the last step; raises `UserError` where captions are missing."""
    shape = _shape(character, recipe)
    with following(run.manifest.plan):
        device = run.manifest.plan.device
        drawn = make_pixels(character, recipe, device, notify)
        captions = [character.drawings[unit].caption for unit in drawn.unit]
        said = shape.say(captions).to(device)
        learn_steps(_begin(drawn, said, shape, recipe, run, device), recipe, run, review, notify)


@contextmanager
def open_painter(
    run: Run, recipe: ScratchDiffusion, checkpoint: Checkpoint, device: str, notify: Notify
) -> Iterator[Painter]:
    """The denoiser; it reads a prompt where it learned captions, and of it the words that these have."""
    config = json.loads((checkpoint.folder / CONFIG_FILE).read_text(encoding="utf-8"))
    shape = Shape(config["size_px"], config["width"], tuple(config["words"]))
    plan = choose_plan(None, device)
    denoiser = shape.make()
    denoiser.load_state_dict(safetensors.torch.load_file(checkpoint.folder / WEIGHTS_FILE))
    denoiser.to(plan.device).eval()
    levels = make_levels(recipe)
    # Also what was said to be unknown, which is said once.
    known = {*shape.words, *find_words(run.manifest.name)}

    def draw(scenes: Sequence[Scene], settings: DrawSettings) -> Tensor:
        if shape.words:
            new = {word for scene in scenes for word in find_words(scene.prompt)} - known
            known.update(new)
            _note_unknown_words(new, notify)
        num_steps = levels.count_steps(settings.steps)
        return draw_pictures(
            denoiser,
            levels,
            seeded_noise([one.seed for one in scenes], (3, shape.size_px, shape.size_px)).to(plan.device),
            shape.say([scene.prompt for scene in scenes]).to(plan.device),
            shape.say([scene.negative or settings.negative for scene in scenes]).to(plan.device),
            settings.guidance if shape.words else 1.0,
            num_steps,
            lambda done: notify(Step("denoising", done, num_steps)),
        )

    def tell(scene: Scene, settings: DrawSettings) -> dict[str, str]:
        said = {"steps": str(levels.count_steps(settings.steps))}
        if shape.words:
            read = " ".join(word for word in find_words(scene.prompt) if word in shape.words)
            said |= {"guidance": str(settings.guidance), "prompt_as_read": read}
        return said

    yield PixelPainter(shape.size_px, draw, tell, describe_run(run, checkpoint), bool(shape.words))


def draw_pictures(
    denoiser: Denoiser,
    levels: Levels,
    noise: Tensor,
    said_BW: Tensor,
    unwanted_BW: Tensor,
    guidance: float,
    num_steps: int,
    tell: Callable[[int], None],
) -> Tensor:
    """Pictures (B, 3, H, W) from noise of that shape, towards the words that are said, away from others."""
    unchanged = noise.new_zeros(len(noise), NUM_LABELS)

    def denoise(noisy: Tensor, times_B: Tensor) -> Tensor:
        answer: Tensor = denoiser(noisy, times_B, unchanged, said_BW)
        if guidance == 1:
            return answer
        unwanted: Tensor = denoiser(noisy, times_B, unchanged, unwanted_BW)
        return unwanted + guidance * (answer - unwanted)

    return levels.draw(denoise, noise, num_steps, tell)


def make_levels(recipe: ScratchDiffusion) -> Levels:
    """The noise levels of a recipe."""
    if recipe.prediction == "next-level":
        return NextLevel(recipe.noise_levels)
    return make_velocity_levels(recipe.size_px, recipe.noise_levels)


@dataclass(frozen=True)
class _Learner:
    """`said` (N, words) are the words of the drawings' captions; `shown` has the average weights."""

    drawn: DrawnPixels
    said: Tensor
    shape: Shape
    recipe: ScratchDiffusion
    run: Run
    levels: Levels
    denoiser: Denoiser
    shown: Denoiser
    training: Training

    def step(self, number: int) -> dict[str, Tensor]:
        loss = self._loss(number)
        torch.autograd.backward(loss)
        self.training.optimizer.step()
        self.training.optimizer.zero_grad()
        done = number + 1
        self.training.update_average(self.recipe.averaging, done)
        if done % self.recipe.samples_every == 0:
            self._write_samples(done)
        return {"loss": loss.detach()}

    def tensors(self) -> dict[str, Tensor]:
        return self.training.tensors()

    def restore(self, saved: Mapping[str, Tensor], step: int) -> None:
        self.training.restore(saved, step)

    def write(self, folder: Path) -> None:
        write_weights(self.shown.state_dict(), describe_learning(self.run), folder / WEIGHTS_FILE)
        (folder / CONFIG_FILE).write_text(json.dumps(asdict(self.shape), indent=1), encoding="utf-8")

    def _loss(self, number: int) -> Tensor:
        recipe, device = self.recipe, self.drawn.pixels.device
        random = keyed(recipe.seed, "step", number)
        rows = torch.tensor(self.drawn.deal(number), device=device)
        clean, labels = augment_and_tell(self.drawn.pixels[rows], recipe.augmented, random)
        noise = torch.randn(clean.shape, generator=random).to(device)
        times = self.levels.sample_times(len(rows), random).to(device)
        is_captioned = torch.rand(len(rows), 1, generator=random) >= recipe.caption_dropout
        seen = self.levels.corrupt(clean, noise, times)
        answer = self.denoiser(seen.noisy, times, labels, self.said[rows] * is_captioned.to(device))
        error = answer - seen.target
        counted = error.abs() if recipe.error == "absolute" else error.square()
        loss: Tensor = (counted.mean(dim=(1, 2, 3)) * seen.weight).mean()
        return loss

    @torch.no_grad()
    def _write_samples(self, done: int) -> None:
        side, device = self.shape.size_px, self.drawn.pixels.device
        noise = seeded_noise(range(NUM_SAMPLES), (3, side, side)).to(device)
        said = self.said.new_zeros(NUM_SAMPLES, len(self.shape.words))
        num_steps = self.levels.count_steps(SAMPLE_STEPS)
        drawn = draw_pictures(self.shown, self.levels, noise, said, said, 1.0, num_steps, lambda done: None)
        write_samples(self.run, done, drawn)


def _shape(character: Character, recipe: ScratchDiffusion) -> Shape:
    words: set[str] = set()
    if recipe.captions:
        own = set(find_words(character.name))
        words = {word for drawing in character.drawings for word in find_words(drawing.caption)} - own
        if not words:
            raise UserError(
                "No drawing has a caption: write them into captions.csv, or leave out --captions."
            )
    return Shape(recipe.size_px, recipe.channels, tuple(sorted(words)))


def _begin(
    drawn: DrawnPixels, said: Tensor, shape: Shape, recipe: ScratchDiffusion, run: Run, device: str
) -> _Learner:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        denoiser = shape.make()
    denoiser.to(device).train()
    shown = copy.deepcopy(denoiser).requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(
        denoiser.parameters(), lr=recipe.learning_rate, weight_decay=0.0, fused=True
    )
    training = Training(dict(denoiser.named_parameters()), dict(shown.named_parameters()), optimizer)
    return _Learner(drawn, said, shape, recipe, run, make_levels(recipe), denoiser, shown, training)


def _note_unknown_words(words: Set[str], notify: Notify) -> None:
    if words:
        said = ", ".join(sorted(words))
        notify(Note(f"No caption of the drawings has these words, so they are not read: {said}."))
