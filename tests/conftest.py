"""What many tests share: a toy base on the disk and a character to learn."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file

from tests.toy_base import make_toy_base
from tests.toy_character import make_character
from understudy.domain import Character

LONGEST = ("test_learning.py", "test_on_card.py")
"""Files that are begun first: one core would wait while the other ends the longest of them alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, and leave the others in their order."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def toy_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of the real classes at toy size; tests only read it."""
    return make_toy_base(tmp_path_factory.mktemp("bases") / "toy")


@pytest.fixture(scope="session")
def pip() -> Character:
    """Three drawings of a block with a hat."""
    return make_character()


@pytest.fixture
def untrained_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the embedded judge: these tests ask what is printed, not what is right."""
    from understudy.judges import puppet

    shape = puppet.shape_of_world()
    folder = tmp_path / "judge"
    folder.mkdir()
    (folder / puppet.CONFIG_FILE).write_text(puppet.config_text(shape, puppet.Thresholds(), {}))
    save_file(puppet.JudgeNetwork(shape).state_dict(), folder / puppet.WEIGHTS_FILE)
    monkeypatch.setattr(puppet, "ASSETS", folder)
