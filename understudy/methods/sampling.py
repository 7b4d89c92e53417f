"""Pictures of what a base has learned so far, drawn between two steps by the weights that learn.

So they take no second base; their prompts were read with all others, before what reads left the device, and
the autoencoder makes pixels where it waits. One sampler serves all families, since what a denoiser sees and
what it answers are mixtures of a clean picture and noise: both are found from them, and mixed again with less
noise. That is Euler's method for a flow, and DDIM (Song et al., arXiv 2010.02502) for noise and velocity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from understudy.bases.base import Base
from understudy.bases.conditioning import Conditioning
from understudy.bases.objectives import Flow, Objective
from understudy.bases.recommended import suited_settings
from understudy.events import Note, Notify
from understudy.methods.computing.processes import Processes
from understudy.methods.conditioning import Condition
from understudy.methods.credits import describe_learning
from understudy.methods.examples import Examples
from understudy.methods.loop import Training
from understudy.methods.pixel_painting import seeded_noise
from understudy.methods.questions import ask
from understudy.methods.samples import to_pixels
from understudy.provenance import write_picture
from understudy.recipes import Finetune
from understudy.runs import SAMPLES_FOLDER, Run

NUM_STEPS = 20
SEED = 0
SHARED = "No samples are drawn where several processes share the denoiser: leave samples_every out."


@dataclass(frozen=True)
class Sampling:
    """Draws `scenes`, the row of each among the examples' prompts with its wording.

    `shape` (C, H, W) is that of a picture's latents.
    """

    base: Base
    condition: Condition
    scenes: Sequence[tuple[int, str]]
    shape: torch.Size
    guidance: float
    run: Run

    @torch.no_grad()
    def draw(self, done: int, training: Training) -> None:
        """Draw with what the weights are after `done` steps, and leave them as they were."""
        with training.averaged(), _decoding_in_fp32(self.base):
            nothing = self.condition(torch.tensor([0]))
            for number, (row, prompt) in enumerate(self.scenes):
                latents = self._denoise(self.condition(torch.tensor([row])), nothing)
                (pixels,) = to_pixels(self.base.decode(latents))
                name = f"{done:06d}-{number}.png" if number else f"{done:06d}.png"
                write_picture(self.run.folder / SAMPLES_FOLDER / name, pixels, self._record(done, prompt))

    def _denoise(self, asked: Conditioning, nothing: Conditioning) -> Tensor:
        """From noise to clean latents (1, C, H, W); guidance as in Ho & Salimans, arXiv 2207.12598."""
        objective, device = self.base.objective, self.base.plan.device
        times = self.base.drawing_times(NUM_STEPS)
        if not isinstance(objective, Flow):
            times = times.round().long()
        noise = seeded_noise([SEED], self.shape).to(device)
        seen, clean = noise, noise
        for number, time in enumerate(times.to(device)):
            time_B = time[None]
            if number:  # the first is all noise, even where the schedule leaves a little of the picture
                seen = objective.corrupt(clean, noise, time_B).noisy
            answer = ask(self.base, seen, time_B, asked)
            if self.guidance > 1:
                without = ask(self.base, seen, time_B, nothing)
                answer = without + self.guidance * (answer - without)
            clean, noise = separate(objective, seen, answer, time_B)
        return clean

    def _record(self, done: int, prompt: str) -> dict[str, str]:
        return {
            "prompt": prompt,
            "seed": str(SEED),
            "steps": str(NUM_STEPS),
            "guidance": str(self.guidance),
            "run": self.run.folder.resolve().name,
            "method": self.run.recipe.method,
            "learned_steps": str(done),
            **describe_learning(self.run),
        }


def begin_sampling(
    base: Base,
    examples: Examples,
    condition: Condition,
    recipe: Finetune,
    run: Run,
    notify: Notify,
    processes: Processes,
) -> Sampling | None:
    """What draws the recipe's samples; None where it asks for none, and in all processes but the first."""
    if not recipe.samples_every or not processes.is_first:
        return None
    if base.plan.offload == "shards" and processes.count > 1:
        notify(Note(SHARED))
        return None
    scenes = recipe.sample_scenes(run.manifest.name)
    rows = enumerate(scenes, start=len(examples.prompts) - len(scenes))
    guidance = suited_settings(run).guidance
    return Sampling(base, condition, tuple(rows), examples.mean.shape[1:], guidance, run)


def separate(objective: Objective, seen: Tensor, answer: Tensor, times_B: Tensor) -> tuple[Tensor, Tensor]:
    """The clean latents and the noise of which `seen` and `answer` are the objective's two mixtures."""
    one, none = torch.ones_like(seen), torch.zeros_like(seen)
    of_clean, of_noise = objective.corrupt(one, none, times_B), objective.corrupt(none, one, times_B)
    both = of_clean.noisy * of_noise.target - of_noise.noisy * of_clean.target
    clean = (of_noise.target * seen - of_noise.noisy * answer) / both
    noise = (of_clean.noisy * answer - of_clean.target * seen) / both
    return clean, noise


@contextmanager
def _decoding_in_fp32(base: Base) -> Iterator[None]:
    """Within, the autoencoder is in fp32: some overflow in fp16, and many processors are slow in bf16."""
    parts, own = [*base.pipe.vae.children()], base.pipe.vae.dtype
    for part in parts:
        part.to(torch.float32)
    try:
        yield
    finally:
        for part in parts:
            part.to(own)
