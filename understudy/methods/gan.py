"""A GAN from nothing: what six drawings are to it, it shows; it fails, or learns them by heart.

Sources: Goodfellow et al., arXiv 1406.2661; those of `gan_networks` and `augmenting`; Lim & Ye, Geometric
GAN (the hinge loss), arXiv 1705.02894.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from understudy.domain import Character, Scene
from understudy.events import Notify
from understudy.methods.augmenting import augment_alike
from understudy.methods.computing.planning import choose_plan, following
from understudy.methods.credits import describe_learning, write_weights
from understudy.methods.drawn_pixels import DrawnPixels, make_pixels
from understudy.methods.examples import keyed
from understudy.methods.gan_networks import Opinion, Scorer, Shape, make_generator, make_scorer, set_weights
from understudy.methods.loop import Training, learn_steps
from understudy.methods.painting import Painter
from understudy.methods.pixel_painting import PixelPainter, seeded_noise
from understudy.methods.records import describe_run
from understudy.methods.reviewing import Review
from understudy.methods.samples import NUM_SAMPLES, write_samples
from understudy.recipes import DrawSettings, Gan
from understudy.runs import Checkpoint, Run

WEIGHTS_FILE = "generator.safetensors"
CONFIG_FILE = "generator.json"
ADAM_BETA2 = 0.999


def learn(character: Character, recipe: Gan, run: Run, review: Review, notify: Notify) -> None:
    """Learn from where the run is to the recipe's last step."""
    with following(run.manifest.plan):
        device = run.manifest.plan.device
        players = _begin(make_pixels(character, recipe, device, notify), recipe, run, device)
        learn_steps(players, recipe, run, review, notify)


@contextmanager
def open_painter(run: Run, checkpoint: Checkpoint, device: str) -> Iterator[Painter]:
    """The first player, which makes a picture of a seed and reads no word."""
    shape = Shape(**json.loads((checkpoint.folder / CONFIG_FILE).read_text(encoding="utf-8")))
    plan = choose_plan(None, device)
    generator = make_generator(shape)
    generator.load_state_dict(safetensors.torch.load_file(checkpoint.folder / WEIGHTS_FILE))
    generator.to(plan.device).eval()

    def draw(scenes: Sequence[Scene], settings: DrawSettings) -> Tensor:
        latents = seeded_noise([scene.seed for scene in scenes], (shape.latent,))
        pictures: Tensor = generator(latents.to(plan.device))
        return pictures

    yield PixelPainter(shape.size_px, draw, _tell_nothing, describe_run(run, checkpoint), follows_text=False)


def _tell_nothing(scene: Scene, settings: DrawSettings) -> dict[str, str]:
    """Neither the number of steps nor guidance means anything to it."""
    return {}


@dataclass(frozen=True)
class _Players:
    """The learner: two networks that learn from each other; `shown` has the first one's average weights."""

    drawn: DrawnPixels
    recipe: Gan
    run: Run
    generator: nn.Module
    shown: nn.Module
    scorer: Scorer
    of_generator: Training
    of_scorer: Training

    def step(self, number: int) -> dict[str, Tensor]:
        recipe, device = self.recipe, self.drawn.pixels.device
        random = keyed(recipe.seed, "gan", number)
        real = self.drawn.pixels[torch.tensor(self.drawn.deal(number), device=device)]
        fake = self.generator(torch.randn(recipe.batch, recipe.latent, generator=random).to(device))
        quarter = int(torch.randint(4, (1,), generator=random))

        # The second player learns to tell them apart.
        drawings = self.scorer(augment_alike(real, recipe.augmentation, random), quarter)
        pictures = self.scorer(augment_alike(fake.detach(), recipe.augmentation, random))
        telling = score_apart(drawings.scores, pictures.scores, recipe.loss)
        redrawing = _redrawing_error(drawings)
        _descend(telling + recipe.reconstruction * redrawing, self.of_scorer)

        # The first learns to draw what it takes for drawings.
        self.scorer.requires_grad_(False)
        judged = self.scorer(augment_alike(fake, recipe.augmentation, random)).scores
        drawing = score_drawing(judged, recipe.loss)
        _descend(drawing, self.of_generator)
        self.scorer.requires_grad_(True)

        done = number + 1
        self.of_generator.update_average(recipe.averaging, done)
        if done % recipe.samples_every == 0:
            self._write_samples(done)
        figures = {
            "drawing_loss": drawing,
            "telling_loss": telling,
            "redrawing_error": redrawing,
            "score_of_drawings": drawings.scores.mean(),
            "score_of_pictures": pictures.scores.mean(),
        }
        return {name: figure.detach() for name, figure in figures.items()}

    def tensors(self) -> dict[str, Tensor]:
        players = (("generator", self.of_generator), ("scorer", self.of_scorer))
        return {f"{who}.{name}": one for who, of in players for name, one in of.tensors().items()}

    def restore(self, saved: Mapping[str, Tensor], step: int) -> None:
        for who, of in (("generator.", self.of_generator), ("scorer.", self.of_scorer)):
            own = {name.removeprefix(who): one for name, one in saved.items() if name.startswith(who)}
            of.restore(own, step)

    def write(self, folder: Path) -> None:
        self._keep_up()
        write_weights(self.shown.state_dict(), describe_learning(self.run), folder / WEIGHTS_FILE)
        (folder / CONFIG_FILE).write_text(json.dumps(asdict(_shape(self.recipe)), indent=1), encoding="utf-8")

    def _keep_up(self) -> None:
        """Averaged weights go with the newest batches' statistics."""
        shown = dict(self.shown.named_buffers())
        for name, buffer in self.generator.named_buffers():
            shown[name].copy_(buffer)

    @torch.no_grad()
    def _write_samples(self, done: int) -> None:
        self._keep_up()
        latents = seeded_noise(range(NUM_SAMPLES), (self.recipe.latent,))
        write_samples(self.run, done, self.shown(latents.to(self.drawn.pixels.device)))


def score_apart(real: Tensor, fake: Tensor, loss: Literal["hinge", "cross-entropy"]) -> Tensor:
    """What the second player pays for the scores that it gave to drawings and to pictures."""
    if loss == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def score_drawing(fake: Tensor, loss: Literal["hinge", "cross-entropy"]) -> Tensor:
    """What the first player pays for the scores that its pictures got."""
    return -fake.mean() if loss == "hinge" else F.softplus(-fake).mean()


def _redrawing_error(opinion: Opinion) -> Tensor:
    """Mean absolute error, 0 where nothing is redrawn; FastGAN's own error needs a pretrained network."""
    errors = [F.l1_loss(redrawn, seen) for redrawn, seen in opinion.redrawn]
    return torch.stack(errors).sum() if errors else torch.zeros(())


def _descend(loss: Tensor, training: Training) -> None:
    torch.autograd.backward(loss)
    training.optimizer.step()
    training.optimizer.zero_grad()


def _shape(recipe: Gan) -> Shape:
    return Shape(recipe.network, recipe.size_px, recipe.channels, recipe.latent)


def _begin(drawn: DrawnPixels, recipe: Gan, run: Run, device: str) -> _Players:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        generator, scorer = make_generator(_shape(recipe)), make_scorer(_shape(recipe))
        set_weights(generator, recipe.initial_deviation)
        set_weights(scorer, recipe.initial_deviation)
    generator.to(device).train()
    scorer.to(device).train()
    shown = copy.deepcopy(generator).requires_grad_(False).eval()
    of_generator = _training(generator, dict(shown.named_parameters()), recipe)
    return _Players(drawn, recipe, run, generator, shown, scorer, of_generator, _training(scorer, {}, recipe))


def _training(network: nn.Module, average: Mapping[str, Tensor], recipe: Gan) -> Training:
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=recipe.learning_rate,
        betas=(recipe.adam_beta1, ADAM_BETA2),
        weight_decay=0.0,
        fused=True,
    )
    weights = dict(network.named_parameters())
    return Training(weights, average, optimizer, dict(network.named_buffers()))
