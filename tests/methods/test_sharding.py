"""A denoiser whose blocks two processes share, against one that is whole."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from tests.bases.toys import make_toy
from tests.methods.dry_gradients import dry_gradients
from tests.methods.launching import TORCHRUN, launch
from tests.methods.sharded_steps import FAMILIES, WHOLE, WHOLE_GRADIENTS


def test_gradients_are_those_of_a_whole_denoiser(tmp_path: Path) -> None:
    for family in FAMILIES:
        whole = dry_gradients(make_toy(family, tmp_path / family), WHOLE)
        save_file(whole, tmp_path / WHOLE_GRADIENTS.format(family=family))
    done = launch(TORCHRUN, "sharded_steps", [str(tmp_path)])
    assert done.returncode == 0, done.stderr
