"""Three drawings and a run that learned them, for every verb's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.commands.calling import learn_arguments
from understudy.cli import run_command


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawings")
    for number, colour in enumerate(("red", "green", "blue")):
        image = Image.new("RGB", (48, 64), "white")
        image.paste(colour, (12, 12, 36, 52))
        image.save(folder / f"{number}.png")
    (folder / "captions.csv").write_text("file,caption\n0.png,waving\n")
    return folder


@pytest.fixture(scope="module")
def run(drawings: Path, toy_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mo"
    assert run_command(learn_arguments(drawings, toy_base, folder)) == 0
    return folder
