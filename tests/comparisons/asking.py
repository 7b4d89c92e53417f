"""A comparison as a file's text, and what came of it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

from understudy.comparisons.compare import Compared, compare
from understudy.events import Drew, Event

PROMPTS = ("a picture of {name} waving", "a picture of {name} sad")
TOY = (
    "knobs = { steps = 4, snapshot_every = 2, rank = 2, batch = 2, views = 2, prior_pictures = 2, "
    "prior_steps = 1 }\nat_steps = [2, 4]\n"
)
LORA = f'[[rows]]\nmethod = "dreambooth-lora"\n{TOY}'
PROMPT_ONLY = '[[rows]]\nmethod = "prompt-only"\nknobs = { description = "a creature" }\n'
GAN = (
    '[[rows]]\nlabel = "two players"\nmethod = "gan"\npreset = "dcgan"\nlearning_seeds = [0, 1]\n'
    "knobs = { steps = 10, size_px = 32, channels = 8, batch = 2 }\n"
)
BROKEN = '[[rows]]\nlabel = "broken"\nmethod = "prompt-only"\nknobs = { base = "damaged" }\n'

Ask = Callable[..., Path]
"""See the fixture `ask`."""


def run(path: Path, out: Path, events: list[Event] | None = None) -> Compared:
    told = [] if events is None else events
    return compare(path, out, told.append, device="cpu", apart=False)


def count_drawn(events: Sequence[Event]) -> int:
    return sum(isinstance(event, Drew) for event in events)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))
