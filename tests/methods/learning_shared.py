"""What each of two processes of `test_processes.py` does that share the denoiser's blocks."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import torch
from torch import distributed

from tests.toy_character import make_character
from understudy.cli import run_command
from understudy.events import Cancelled, Event, Step
from understudy.methods import learn
from understudy.options import make_recipe


def stop_half_way(event: Event) -> None:
    """A listener that has enough after the first of two steps, where the other process has begun the next."""
    if isinstance(event, Step) and event.phase == "learning" and event.done == 1:
        raise Cancelled


def main(base: str, folder: Path, asked: list[str]) -> None:
    """Learn as `asked`, then stop another run half way."""
    assert run_command([*asked, "--base", base, "--run", str(folder / "shared")]) == 0
    short = {"base": base, "steps": 2, "batch": 2, "views": 1, "rank": 2, "offload": "shards"}
    with suppress(Cancelled):
        recipe = make_recipe("dreambooth-lora", {**short, "prior_weight": 0.0})
        learn(make_character(), recipe, folder / "half", notify=stop_half_way)
    # None of them waits for another any more, so that the next sum is this one.
    ones = torch.ones(1)
    distributed.all_reduce(ones)
    assert ones.item() == 2


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
