"""How much room on the disk is asked for before the first step."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from understudy.domain import UserError
from understudy.methods.computing.processes import FollowingRun
from understudy.methods.disk_space import refuse_full_disk
from understudy.recipes import DreamBoothLora
from understudy.runs import Run

Usage = namedtuple("Usage", "total used free")
SIZES = {"average.x": 1000}
"""Without weights that move: a state has three times as much while the third is written."""


def test_runs_that_learn_at_once_share_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, states = DreamBoothLora(), [(Run(tmp_path), SIZES), (Run(tmp_path), SIZES)]
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(9000, 0, 4000))
    refuse_full_disk(states[:1], recipe, 5)
    with pytest.raises(UserError, match="make room"):
        refuse_full_disk(states, recipe, 5)


def test_a_process_that_follows_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(9000, 9000, 0))
    refuse_full_disk([(FollowingRun(tmp_path), SIZES)], DreamBoothLora(), 5)
    with pytest.raises(UserError):
        refuse_full_disk([(Run(tmp_path), SIZES)], DreamBoothLora(), 5)
