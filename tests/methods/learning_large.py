"""What each of the processes of `test_processes.py` learns on a large family: an adapter, then all of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.toy_character import make_character
from understudy.methods import learn
from understudy.recipes import RECIPES

FEW: Mapping[str, object] = {
    "steps": 10,
    "batch": 3,
    "views": 1,
    "learning_rate": 1e-3,
    "snapshot_every": 10,
    "prior_weight": 0.0,
}
METHODS: Mapping[str, Mapping[str, object]] = {
    "dreambooth-lora": {"rank": 4, "accumulation": 2, "pull": 0.1},
    "dreambooth": {},
}


def learn_each(base: Path, folder: Path) -> None:
    """Learn by each method into the folder of its name."""
    for method, knobs in METHODS.items():
        recipe = RECIPES[method].model_validate({**FEW, **knobs, "base": str(base)})
        learn(make_character(), recipe, folder / method)
