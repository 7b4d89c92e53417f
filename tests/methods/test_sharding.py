"""A denoiser whose blocks two processes share, against one that is whole."""

from __future__ import annotations

from pathlib import Path

from tests.bases.toys import make_toy
from tests.methods.launching import TORCHRUN, launch
from tests.methods.sharded_steps import FAMILIES


def test_gradients_are_those_of_a_whole_denoiser(tmp_path: Path) -> None:
    for family in FAMILIES:
        make_toy(family, tmp_path / family)
    done = launch(TORCHRUN, "sharded_steps", [str(tmp_path)])
    assert done.returncode == 0, done.stderr
