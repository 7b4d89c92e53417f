"""The embedded judge: is it the character of the drawings, is it what was asked for, is it whole?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from understudy.domain import Attributes, Character, Drawing, Picture, Pixels, UserError, Verdict
from understudy.drawings.figure import find_figure
from understudy.judges.network import SIDE, JudgeNetwork, Seen, Shape
from understudy.judges.parts import Shares, mask_figure, mask_part, mask_seen, name_places
from understudy.world.captions import parse
from understudy.world.vocabulary import CHOICES

ASSETS = Path(__file__).parents[1] / "assets" / "judge"
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
AT_ONCE = 32
MOST_DRAWINGS = 12  # more than these say little new, and the comparison's time grows with them


@dataclass(frozen=True)
class Thresholds:
    """From which probability on a picture, beside drawings, is another character's (`other`), or damaged."""

    other: float = 0.5
    damage: float = 0.5


@dataclass(frozen=True)
class Reading:
    """What a picture shows, whoever it is; `damage` is a probability."""

    attributes: Attributes
    damage: float


@dataclass(frozen=True)
class Likeness:
    """Probabilities that a picture shows another character than the drawings, and that it is damaged.

    `damage_at` is the part that looks damaged most, whether or not any is.
    """

    other: float
    damage: float
    damage_at: str


class PuppetJudge:
    """Judges pictures of the world's puppets, and of what resembles them."""

    def __init__(self, folder: Path | None = None) -> None:
        """Load the weights in `folder`, or the embedded ones; raises `UserError` if there are none."""
        folder = folder or ASSETS
        try:
            config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
            weights = load_file(folder / WEIGHTS_FILE)
        except (OSError, ValueError) as error:
            raise UserError(
                f"There is no judge in {folder}: reinstall understudy, or run understudy.pretrain.judge."
            ) from error
        self.network = JudgeNetwork(Shape.from_dict(config["shape"])).eval()
        self.network.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
        self.thresholds = Thresholds(**config["thresholds"])

    def __call__(self, pictures: Sequence[Picture], character: Character) -> list[Verdict]:
        """Judge pictures of a character by its drawings and by what their prompts ask for."""
        if not pictures:
            return []
        pixels = [picture.pixels for picture in pictures]
        readings, likenesses = self.compare(pixels, [drawing.pixels for drawing in character.drawings])
        verdicts = []
        for picture, reading, likeness in zip(pictures, readings, likenesses, strict=True):
            wish = parse(picture.scene.prompt, character.name)
            shown = reading.attributes.said()
            is_damaged = likeness.damage >= self.thresholds.damage
            verdicts.append(
                Verdict(
                    scene=picture.scene,
                    likeness=1 - likeness.other,
                    same_character=likeness.other < self.thresholds.other,
                    attributes={name: shown[name] == value for name, value in wish.attributes.said().items()},
                    damage=likeness.damage,
                    damaged=is_damaged,
                    not_judged=wish.not_judged,
                    damaged_at=likeness.damage_at if is_damaged else "",
                )
            )
        return verdicts

    def read(self, pixels: Sequence[Pixels]) -> list[Reading]:
        """What pictures (height, width, 3) show, and whether they are damaged, without any drawings."""
        readings: list[Reading] = []
        for _, seen in self._see(pixels):
            readings += _readings(seen)
        return readings

    def compare(
        self, pixels: Sequence[Pixels], drawings: Sequence[Pixels]
    ) -> tuple[list[Reading], list[Likeness]]:
        """What pictures (height, width, 3) show, and how they compare with a character's drawings."""
        if not drawings:
            raise ValueError("A character without drawings cannot be recognised.")
        every = max(1, -(-len(drawings) // MOST_DRAWINGS))
        shown = self._see(drawings[::every])
        drawn = torch.cat([self.network.keep(images, seen.places) for images, seen in shown])
        # The drawings are whole: what looks broken in them as well is how the character is drawn.
        usual = torch.cat([seen.damage for _, seen in shown]).mean().clamp(min=0)
        readings: list[Reading] = []
        likenesses: list[Likeness] = []
        for _, seen in self._see(pixels):
            with torch.inference_mode():
                found = self.network.compare(seen.places[None], drawn.flatten(0, 1)[None], seen.damage[None])
            readings += _readings(seen)
            others, damages = _shares(found.other[0]), _shares(found.damage[0] - usual)
            broken = name_places(seen.parts.softmax(1).numpy(), found.damage_places[0].numpy())
            likenesses += map(Likeness, others, damages, broken)
        return readings, likenesses

    def embed(self, pixels: Sequence[Pixels]) -> NDArray[np.float32]:
        """Who pictures (height, width, 3) show, as vectors of length 1: (pictures, 64)."""
        return np.concatenate([seen.identity.numpy() for _, seen in self._see(pixels)])

    def see_parts(self, pixels: Pixels) -> Shares:
        """How surely each of canvas.PARTS is seen in a picture (height, width, 3): (12, height, width)."""
        ((_, seen),) = self._see([pixels])
        height, width = pixels.shape[:2]
        side = max(height, width)
        shares = F.interpolate(seen.parts.softmax(1), (side, side), mode="bilinear")[0].numpy()
        top, left = (side - height) // 2, (side - width) // 2
        return np.asarray(shares[:, top : top + height, left : left + width], np.float32)

    def find_part(self, pixels: Pixels, part: str) -> Pixels:
        """Where a part of the figure is in a picture (height, width, 3): see `parts.mask_part`."""
        return mask_part(self.see_parts(pixels), part)

    def find_figure(self, pixels: Pixels) -> Pixels:
        """The mask (height, width), 255 on the character: by flat paper, or by the parts that are seen."""
        mask = find_figure(Drawing(Path(), pixels, "")).mask
        return mask if not mask.all() else mask_figure(self.see_parts(pixels))

    def find_held(self, pixels: Pixels) -> Pixels:
        """The mask (height, width), 255 on what is held; empty where nothing is."""
        return mask_seen(self.see_parts(pixels), "held thing")

    def _see(self, pixels: Sequence[Pixels]) -> list[tuple[Tensor, Seen]]:
        """A few pictures at a time: the network's input (B, 3, 96, 96) and what it makes of it."""
        batches = []
        for start in range(0, len(pixels), AT_ONCE):
            images = to_input([shrink(each) for each in pixels[start : start + AT_ONCE]])
            with torch.inference_mode():
                batches.append((images, self.network(images)))
        return batches


def shrink(pixels: Pixels) -> Pixels:
    """A picture (height, width, 3) as the network sees it: squared on white paper, (96, 96, 3)."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    if height != width:
        square = np.full((side, side, 3), 255, np.uint8)
        top, left = (side - height) // 2, (side - width) // 2
        square[top : top + height, left : left + width] = pixels
        pixels = square
    method = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=method), np.uint8)


def to_input(pixels: Sequence[Pixels] | Pixels) -> Tensor:
    """uint8 (B, 96, 96, 3) -> (B, 3, 96, 96) in -1..1, channels last."""
    batch = torch.from_numpy(np.ascontiguousarray(np.stack(list(pixels))))
    return batch.permute(0, 3, 1, 2).float() / 127.5 - 1


def shape_of_world() -> Shape:
    """The network's shape with one head for each attribute of the world."""
    return Shape(tuple((name, len(choices)) for name, choices in CHOICES.items()))


def config_text(shape: Shape, thresholds: Thresholds, trained: dict[str, object]) -> str:
    """The text of `config.json`; `trained` says how the weights came to be."""
    config = {"shape": asdict(shape), "thresholds": asdict(thresholds), "trained": trained}
    return json.dumps(config, indent=2) + "\n"


def _shares(logits: Tensor) -> list[float]:
    shares: list[float] = logits.sigmoid().tolist()
    return shares


def _readings(seen: Seen) -> list[Reading]:
    names = {name: logits.argmax(1).tolist() for name, logits in seen.attributes.items()}
    damage = _shares(seen.damage)
    return [
        Reading(Attributes(**{name: CHOICES[name][picks[at]] for name, picks in names.items()}), damage[at])
        for at in range(len(damage))
    ]
