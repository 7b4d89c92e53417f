"""Trains the embedded base to look at drawings: its encoder of them (`drawing_encoder.py`), and its U-Net.

A third of a batch are the world's pictures with their captions, as before. The others are casts: some of a
character's drawings go through the encoder, its tokens stand beside the caption's, and the U-Net draws
another picture of the character. So how to look is learned from thousands of characters, none of them a hero.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from understudy.bases.drawing_encoder import MOST_DRAWINGS, DrawingEncoder
from understudy.bases.layouts import DRAWING_ENCODER
from understudy.pretrain.casts import DRAWINGS, PICTURES, CastStore, cast
from understudy.pretrain.denoiser import (
    NUM_TIMES,
    Course,
    Lessons,
    make_scheduler,
    sample_times,
    velocity_loss,
)
from understudy.pretrain.latents import LatentStore
from understudy.pretrain.muon import muon_for
from understudy.pretrain.training import AveragedWeights, autocast, keyed, train
from understudy.pretrain.widening import add_attention, widen_denoiser, widen_encoder
from understudy.world.captions import sample_caption
from understudy.world.names import invent_name

TARGETS = 4
"""Pictures of a character in a batch."""
ALL_SHOWN = 0.4
"""How often a batch's characters are shown with as many drawings as there are, and not with fewer."""
UNSHOWN = 0.1
"""Pictures of casts beside which nothing is shown, as guidance needs it."""
LATE_SHARE, LATE_FROM = 1 / 3, 300
"""Who it is must be known where little can be seen: so many casts have a time from there on."""
ENDS = ("unet.conv_in", "unet.conv_out", "unet.time_embedding", "encoder.conv_in", "encoder.places")
"""What Muon leaves to Adam."""


@dataclass(frozen=True)
class Introduced:
    """Of one step: drawings' latents (B, R, C, h, w), and then of B x TARGETS pictures the latents, weights
    and captions."""

    drawings: Tensor
    clean: Tensor
    weights: Tensor
    captions: list[str]


def introduce(store: CastStore, seed: int, step: int, characters: int) -> Introduced:
    """Casts of a step, keyed by (seed, step); no picture is among the drawings beside it."""
    rng = random.Random(f"introduction {seed} {step}")
    num_shown = MOST_DRAWINGS if rng.random() < ALL_SHOWN else rng.randrange(1, MOST_DRAWINGS)
    drawings, clean, weights, captions = [], [], [], []
    for number in rng.sample(range(len(store)), characters):
        shown = rng.sample(range(DRAWINGS), num_shown)
        targets = rng.sample([one for one in range(PICTURES) if one not in shown], TARGETS)
        latents, counts = store.take(number, targets)
        drawings.append(store.take(number, shown)[0])
        clean.append(latents)
        weights.append(counts)
        for one in targets:
            name = invent_name(rng) if rng.random() < 0.5 else None
            captions.append(sample_caption(cast(number).wishes[one], {}, rng, name).text)
    return Introduced(torch.stack(drawings), torch.cat(clean), torch.cat(weights), captions)


class Looking(nn.Module):
    """What is trained."""

    def __init__(self, unet: UNet2DConditionModel, encoder: DrawingEncoder) -> None:
        super().__init__()
        self.unet, self.encoder = unet, encoder

    def save(self, base: Path) -> None:
        """Write both beside the other parts of a base."""
        self.unet.save_pretrained(base / "unet")
        self.encoder.save_pretrained(base / DRAWING_ENCODER)


@dataclass(frozen=True)
class Lesson:
    """How a step's loss is made."""

    model: Looking
    course: Course
    known: Lessons
    store: CastStore
    half: bool
    alphas_cumprod: Tensor

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """The mean over both kinds of pictures, and each kind's own."""
        clean, weights, text = self.known.at(step)
        num_known = len(clean)
        casts = introduce(self.store, self.course.seed, step, num_known * 2 // TARGETS)
        generator = keyed(self.course.seed, step)
        tokens = self._look_at(casts.drawings, generator)
        beside = torch.cat([self.known.encode(casts.captions), tokens], dim=1)
        # The world's own stand beside zeros in half of the steps: nothing shown, at the length of something.
        is_padded = torch.rand((), generator=generator).item() < 0.5
        if is_padded:
            text = torch.cat([text, torch.zeros(num_known, *tokens.shape[1:])], dim=1)
        clean = torch.cat([clean, casts.clean]).contiguous(memory_format=torch.channels_last)
        times = sample_times(len(clean), self.alphas_cumprod, generator)
        times[num_known:] = _some_late(times[num_known:], generator)
        noise = torch.randn(clean.shape, generator=generator)
        weights = torch.cat([weights, casts.weights]).pow(1 - min(1.0, step / self.course.steps) ** 2)
        parts = [slice(None)] if is_padded else [slice(num_known), slice(num_known, None)]
        texts = [torch.cat([text, beside])] if is_padded else [text, beside]
        losses = torch.cat(
            [
                velocity_loss(
                    self._predict,
                    self.alphas_cumprod,
                    clean[part],
                    weights[part],
                    said,
                    times[part],
                    noise[part],
                )
                for part, said in zip(parts, texts, strict=True)
            ]
        )
        known, introduced = losses[:num_known].mean(), losses[num_known:].mean()
        return losses.mean(), {"known": round(known.item(), 5), "introduced": round(introduced.item(), 5)}

    def _look_at(self, drawings_BRCHW: Tensor, generator: torch.Generator) -> Tensor:
        """The tokens (B x TARGETS, T, D) beside each picture, zeros beside some."""
        with autocast("cpu", self.half):
            tokens: Tensor = self.model.encoder(drawings_BRCHW)
        each = tokens.float().repeat_interleave(TARGETS, 0)
        return each * (torch.rand(len(each), 1, 1, generator=generator) >= UNSHOWN)

    def _predict(self, noisy: Tensor, times: Tensor, text: Tensor) -> Tensor:
        with autocast("cpu", self.half):
            output: Tensor = self.model.unet(noisy, times, text).sample
        return output


def _some_late(times_B: Tensor, generator: torch.Generator) -> Tensor:
    late = torch.randint(LATE_FROM, NUM_TIMES, times_B.shape, generator=generator)
    return torch.where(torch.rand(times_B.shape, generator=generator) < LATE_SHARE, late, times_B)


def fit(
    lesson: Lesson,
    state: Path,
    base: Path,
    grow: Callable[[int], None],
    check_every: int,
) -> None:
    """Train to the course's last step from where `state` is; the averaged weights go into `base`.

    `grow` is told each step, so that there are as many pictures as the course wants by then.
    """
    model = lesson.model
    average = AveragedWeights(model)
    averaged = Looking(
        UNet2DConditionModel.from_config(model.unet.config), DrawingEncoder.from_config(model.encoder.config)
    )

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        grow(step)
        return lesson.loss(step)

    def check(step: int) -> dict[str, float]:
        average.copy_to(averaged)
        averaged.save(base)
        return {}

    train(
        state,
        model,
        muon_for(model, lesson.course.rate, ENDS, weight_decay=0.01, half=lesson.half),
        loss_of,
        lesson.course.rate_at,
        lesson.course.steps,
        average=average,
        check=check,
        check_every=check_every,
    )
    check(lesson.course.steps)


def begin(unet: Path, encoder: Path | None, channels: int, attend: bool) -> Looking:
    """What is trained, from a U-Net and perhaps an encoder, widened to the autoencoder's channels.

    Where it is to `attend`, the U-Net gets attention at its finest level.
    """
    denoiser = widen_denoiser(UNet2DConditionModel.from_pretrained(unet), channels)
    if attend and "CrossAttn" not in denoiser.config.down_block_types[0]:
        denoiser = add_attention(denoiser)
    denoiser.set_attn_processor(AttnProcessor())
    looking = DrawingEncoder(channels) if encoder is None else DrawingEncoder.from_pretrained(encoder)
    return Looking(denoiser.to(memory_format=torch.channels_last), widen_encoder(looking, channels))


def main() -> None:
    """Train, and save the averaged weights beside the other parts of the base."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=Path("state/looking"))
    parser.add_argument("--latents", type=Path, default=Path("state/latents"))
    parser.add_argument("--casts", type=Path, default=Path("state/casts"))
    parser.add_argument("--base", type=Path, default=Path("state/base"), help="has all other parts")
    parser.add_argument("--start", type=Path, required=True, help="a U-Net to go on from")
    parser.add_argument("--start-encoder", type=Path, help="an encoder of drawings to go on from")
    parser.add_argument("--attend", action="store_true", help="give the U-Net attention at its finest level")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--batch", type=int, default=96, help="a third of it the world's pictures")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--decay-from", type=float, default=0.3)
    parser.add_argument("--shards", type=int, default=42)
    parser.add_argument("--cast-shards", type=int, default=40)
    parser.add_argument("--steps-per-shard", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--half", action="store_true", help="compute in bfloat16")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--check-every", type=int, default=300)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    vae = AutoencoderKL.from_pretrained(args.base / "vae", torch_dtype=torch.float32)
    vae = vae.to(memory_format=torch.channels_last)
    model = begin(args.start, args.start_encoder, int(vae.config.latent_channels), args.attend)
    known, casts = LatentStore(args.latents, vae), CastStore(args.casts, vae)
    course = Course(
        args.steps,
        args.batch // 3,
        args.rate,
        args.decay_from,
        args.cast_shards,
        args.steps_per_shard,
        args.seed,
    )

    def grow(step: int) -> None:
        known.grow_to(args.shards)
        casts.grow_to(course.shards_at(step))

    lessons = Lessons(known, args.base, args.seed, course.batch, args.half)
    lesson = Lesson(model, course, lessons, casts, args.half, make_scheduler().alphas_cumprod)
    fit(lesson, args.state, args.base, grow, args.check_every)


if __name__ == "__main__":
    main()
