"""Whether processes that learn together end together."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from torch import distributed

from tests.toy_character import make_character
from understudy.events import Cancelled, Notify
from understudy.methods import learn
from understudy.options import make_recipe


def stop_and_meet(folder: Path, knobs: Mapping[str, object], stop: Notify) -> None:
    """Learn until the listener `stop` has enough, in each process; none may wait for another any more."""
    with suppress(Cancelled):
        learn(make_character(), make_recipe("dreambooth-lora", dict(knobs)), folder, notify=stop)
    ones = torch.ones(1)
    distributed.all_reduce(ones)  # the next sum is this one
    assert ones.item() == 2
