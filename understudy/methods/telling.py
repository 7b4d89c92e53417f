"""What a pipeline tells after each of its denoising steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from understudy.events import Notify, Step
from understudy.methods.masking import Rest


@dataclass(frozen=True)
class Telling:
    """Told by the pipeline after each step: tells how far the work is, and puts back what must stay.

    `done` of all `total` denoising steps were made before the batch, which makes `num_steps`.
    """

    notify: Notify
    done: int
    total: int
    num_steps: int
    rest: Rest | None = None

    def __call__(self, pipe: Any, step: int, time: object, tensors: dict[str, Any]) -> dict[str, Any]:
        # Of the pipeline's own steps, of which some schedulers take two for one.
        made = self.num_steps * (step + 1) // pipe.num_timesteps
        self.notify(Step("denoising", self.done + made, self.total))
        return {} if self.rest is None else {"latents": self.rest.put_back(pipe, step, tensors["latents"])}
