"""Six drawings in, the same character out: learned for real on the embedded base, and told by the judge."""

from __future__ import annotations

from pathlib import Path

import pytest

import understudy
from understudy.judges.quality import QualityReport
from understudy.world.heroes import hero
from understudy.world.portfolio import write_drawings

HERO = 21


@pytest.fixture(scope="module")
def character(tmp_path_factory: pytest.TempPathFactory) -> understudy.Character:
    folder = tmp_path_factory.mktemp("drawings")
    of = hero(HERO)
    write_drawings(of, folder)
    return understudy.read_character(folder, of.name, of.noun)


def judged(
    character: understudy.Character,
    recipe: understudy.DreamBoothLora | understudy.PromptOnly,
    folder: Path,
) -> QualityReport:
    run = understudy.learn(character, recipe, folder, device="cpu")
    return understudy.judge(run, count=1, device="cpu", drift=False)


def test_a_character_is_learned_from_six_drawings(character: understudy.Character, tmp_path: Path) -> None:
    recipe = understudy.DreamBoothLora()
    learned = judged(character, recipe, tmp_path / "learned")
    described = judged(character, understudy.PromptOnly(), tmp_path / "described")
    # One picture for each of the study's prompts: the judge knows the character in four more at least.
    assert learned.n == described.n == 13
    assert learned.same_character - described.same_character >= 0.3
    assert described.quality_ratio <= 0.1
    assert learned.attributes is not None
    assert learned.attributes >= 0.5
