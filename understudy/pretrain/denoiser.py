"""Trains the embedded base's U-Net on the world's latents and captions, with the text encoder frozen.

What the world needs from a U-Net this small: the pooled caption modulates every block beside the usual
cross-attention (`addition_embed_type="text"`, `scale_shift`), because a global condition is learned long
before attention is; and the loss counts faces more than paper until late in training.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from understudy.judges.puppet import PuppetJudge
from understudy.pretrain.autoencoder import LATENT_CHANNELS
from understudy.pretrain.exam import shares_right
from understudy.pretrain.latents import SHARD, LatentStore, caption_of, shown
from understudy.pretrain.muon import muon_for
from understudy.pretrain.training import AveragedWeights, autocast, keyed, train
from understudy.pretrain.widening import widen_denoiser

NUM_TIMES = 1000


def build(cells: int = 12, channels: int = LATENT_CHANNELS, text_width: int = 256) -> UNet2DConditionModel:
    """The U-Net: 12, 6 and 3 cells across; attention at 6 and in the middle."""
    return UNet2DConditionModel(
        sample_size=cells,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(96, 160, 224),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=text_width,
        attention_head_dim=[3, 5, 7],
        norm_num_groups=32,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
    )


def make_scheduler() -> DPMSolverMultistepScheduler:
    """v-prediction on Stable Diffusion's noise schedule, stretched to end in pure noise.

    Paper stays white this way (Lin et al. 2023, arXiv 2305.08891).
    """
    return DPMSolverMultistepScheduler(
        num_train_timesteps=NUM_TIMES,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        algorithm_type="dpmsolver++",
        solver_order=2,
        steps_offset=1,
    )


def sample_times(count: int, alphas_cumprod: Tensor, generator: torch.Generator) -> Tensor:
    """Times (count): four fifths Laplace-distributed in log-SNR around 0, where pictures are decided
    (Hang et al. 2024, arXiv 2407.03297), a fifth uniform."""
    log_snr = (alphas_cumprod / (1 - alphas_cumprod).clamp(min=1e-8)).clamp(min=1e-8).log()
    u = torch.rand(count, generator=generator) - 0.5
    wanted = -1.2 * u.sign() * (1 - 2 * u.abs()).clamp(min=1e-6).log()
    times = (log_snr[None] - wanted[:, None]).abs().argmin(1)
    uniform = torch.randint(0, NUM_TIMES, (count,), generator=generator)
    return torch.where(torch.rand(count, generator=generator) < 0.2, uniform, times)


class Lessons:
    """Batches keyed by (seed, step): latents, weights and encoded captions."""

    def __init__(self, store: LatentStore, base: Path, seed: int, batch: int, half: bool = False) -> None:
        self.store, self.seed, self.batch, self.half = store, seed, batch, half
        self.tokenizer = CLIPTokenizer.from_pretrained(base / "tokenizer")
        self.encoder = CLIPTextModel.from_pretrained(base / "text_encoder", torch_dtype=torch.float32).eval()

    @torch.no_grad()
    def encode(self, captions: list[str]) -> Tensor:
        """Captions to (B, 40, width); an empty one is the pipeline's unconditional prompt."""
        tokens = self.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
        with autocast("cpu", self.half):
            hidden: Tensor = self.encoder(tokens.input_ids)[0]
        return hidden.float()

    def at(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Latents (B, C, h, w), weights (B, 1, h, w) and captions (B, 40, width) of one step."""
        rng = random.Random(f"lesson {self.seed} {step}")
        numbers = [rng.randrange(len(self.store)) for _ in range(self.batch)]
        latents, weights = self.store.take(numbers)
        captions = [caption_of(shown(n), f"{self.seed} {step} {n}") for n in numbers]
        return latents, weights, self.encode(captions)


def velocity_loss(
    predict: Callable[[Tensor, Tensor, Tensor], Tensor],
    alphas_cumprod: Tensor,
    clean: Tensor,
    weights: Tensor,
    text: Tensor,
    times: Tensor,
    noise: Tensor,
) -> Tensor:
    """Mean weighted squared error of v per picture (B) (Salimans & Ho 2022, arXiv 2202.00512)."""
    share = alphas_cumprod[times].view(-1, 1, 1, 1)
    noisy = share.sqrt() * clean + (1 - share).sqrt() * noise
    target = share.sqrt() * noise - (1 - share).sqrt() * clean
    weights = weights / weights.mean((1, 2, 3), keepdim=True)
    error = (predict(noisy, times, text).float() - target).square()
    return (error * weights).mean((1, 2, 3))


def caption_gap(
    unet: UNet2DConditionModel, lessons: Lessons, alphas_cumprod: Tensor, count: int = 128
) -> dict[str, float]:
    """Loss with true and shuffled captions at three noise levels: equal means that the text path is dead."""
    figures = {}
    rng = random.Random("gap")
    numbers = [rng.randrange(len(lessons.store)) for _ in range(count)]
    latents, _ = lessons.store.take(numbers)
    weights = torch.ones_like(latents[:, :1])
    text = lessons.encode([caption_of(shown(n), f"gap {n}") for n in numbers])
    noise = torch.randn(latents.shape, generator=keyed(9, 9))

    def predict(noisy: Tensor, times: Tensor, words: Tensor) -> Tensor:
        output: Tensor = unet(noisy, times, words).sample
        return output

    for time in (500, 700, 900):
        times = torch.full((count,), time)
        for label, words in (("true", text), ("shuffled", text.roll(1, 0))):
            with torch.no_grad():
                loss = velocity_loss(predict, alphas_cumprod, latents, weights, words, times, noise).mean()
            figures[f"{label}_{time}"] = round(loss.item(), 4)
    return figures


def assemble(unet: UNet2DConditionModel, base: Path) -> StableDiffusionPipeline:
    """The whole pipeline around a U-Net, from the parts saved in `base`."""
    return StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(base / "vae", torch_dtype=torch.float32),
        text_encoder=CLIPTextModel.from_pretrained(base / "text_encoder", torch_dtype=torch.float32),
        tokenizer=CLIPTokenizer.from_pretrained(base / "tokenizer"),
        unet=unet,
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@dataclass(frozen=True)
class Course:
    """How long and on what a denoiser is trained.

    `decay_from` is the share of the steps at a constant rate, which then falls linearly; the set of pictures
    begins with two shards and grows by one in `steps_per_shard` steps up to `shards`.
    """

    steps: int
    batch: int
    rate: float
    decay_from: float
    shards: int
    steps_per_shard: int
    seed: int

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, warmed up over 200."""
        tail = max(0.0, (step / self.steps - self.decay_from) / (1 - self.decay_from))
        return self.rate * min(1.0, (step + 1) / 200) * max(0.02, 1 - tail)

    def shards_at(self, step: int) -> int:
        """How many shards there are at a step."""
        return min(self.shards, 2 + step // self.steps_per_shard)


def fit(
    course: Course,
    state: Path,
    base: Path,
    store: LatentStore,
    unet: UNet2DConditionModel,
    device: str,
    examine: Callable[[UNet2DConditionModel], dict[str, float]],
    check_every: int,
    half: bool = False,
) -> UNet2DConditionModel:
    """Train to the course's last step from where `state` is; returns the averaged U-Net.

    `half` computes in bfloat16; the weights stay fp32. `examine` gets the averaged U-Net every `check_every`
    steps, and its figures go into the log.
    """
    lessons = Lessons(store, base, course.seed, course.batch, half)
    alphas_cumprod = make_scheduler().alphas_cumprod
    unet = unet.to(device=device, memory_format=torch.channels_last)
    # Not compiled: on a CPU torch 2.13 gave the inner levels no gradient at all (docs/log.md).
    unet.set_attn_processor(AttnProcessor())  # at 36 places no slower than the fused kernel
    ends = ("conv_in", "conv_out", "time_embedding")
    optimiser = muon_for(unet, course.rate, ends, weight_decay=0.01, half=half)
    average = AveragedWeights(unet)

    def predict(noisy: Tensor, times: Tensor, text: Tensor) -> Tensor:
        with autocast(device, half):
            output: Tensor = unet(noisy, times, text).sample
        return output

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        store.grow_to(course.shards_at(step))
        clean, weights, text = lessons.at(step)
        # Drawn on the CPU, so that every device sees the same noise.
        generator = keyed(course.seed, step)
        times = sample_times(course.batch, alphas_cumprod, generator)
        noise = torch.randn(clean.shape, generator=generator)
        plain = min(1.0, step / course.steps)
        weights = weights.pow(1 - plain**2)
        clean = clean.contiguous(memory_format=torch.channels_last)
        inputs = [tensor.to(device) for tensor in (alphas_cumprod, clean, weights, text, times, noise)]
        return velocity_loss(predict, *inputs).mean(), {}

    averaged = build().to(memory_format=torch.channels_last).eval()

    def check(step: int) -> dict[str, float]:
        average.copy_to(averaged)
        averaged.save_pretrained(base / "unet")
        return caption_gap(averaged, lessons, alphas_cumprod) | examine(averaged)

    train(
        state,
        unet,
        optimiser,
        loss_of,
        course.rate_at,
        course.steps,
        average=average,
        check=check,
        check_every=check_every,
    )
    average.copy_to(averaged)
    averaged.save_pretrained(base / "unet")
    return averaged


def main() -> None:
    """Train, and save the averaged weights beside the other parts of the base."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=Path("state/denoiser"))
    parser.add_argument("--latents", type=Path, default=Path("state/latents"))
    parser.add_argument(
        "--base", type=Path, default=Path("state/base"), help="has vae, text_encoder, tokenizer"
    )
    parser.add_argument("--start", type=Path, help="a U-Net to go on from, with a fresh optimiser")
    parser.add_argument("--steps", type=int, default=10000)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--decay-from", type=float, default=0.75)
    parser.add_argument("--shards", type=int, default=12, help=f"of {SHARD} pictures")
    parser.add_argument("--steps-per-shard", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--judge", type=Path, help="reads 200 fixed scenes at every check")
    parser.add_argument("--check-every", type=int, default=1000)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    unet = build() if args.start is None else UNet2DConditionModel.from_pretrained(args.start)
    unet = widen_denoiser(unet, LATENT_CHANNELS)
    vae = AutoencoderKL.from_pretrained(args.base / "vae", torch_dtype=torch.float32)
    store = LatentStore(args.latents, vae.to(memory_format=torch.channels_last))
    course = Course(
        args.steps, args.batch, args.rate, args.decay_from, args.shards, args.steps_per_shard, args.seed
    )

    def examine(averaged: UNet2DConditionModel) -> dict[str, float]:
        if args.judge is None:
            return {}
        return shares_right(assemble(averaged, args.base), PuppetJudge(args.judge))

    averaged = fit(
        course,
        args.state,
        args.base,
        store,
        unet,
        args.device,
        examine,
        args.check_every,
        args.half,
    )
    pipe = assemble(averaged, args.base)
    pipe.scheduler.save_pretrained(args.base / "scheduler")
    pipe.save_config(args.base)


if __name__ == "__main__":
    main()
