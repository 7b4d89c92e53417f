"""What tests of learning share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.toy_character import make_recipe
from understudy.domain import Character
from understudy.methods import learn
from understudy.runs import Run


@pytest.fixture(scope="session")
def straight(toy_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of DreamBooth with LoRA that nothing disturbed; tests only read it."""
    return learn(pip, make_recipe(toy_base), tmp_path_factory.mktemp("straight"))
