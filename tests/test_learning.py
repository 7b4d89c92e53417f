"""Six drawings in, the same character out: learned for real on the embedded base, and told by the judge."""

from __future__ import annotations

from pathlib import Path

import pytest

import understudy
from understudy.judges.quality import QualityReport
from understudy.world.heroes import hero
from understudy.world.portfolio import write_drawings

HERO = 21
PROMPTS = (
    "a picture of {name} waving",
    "a picture of {name} smiling",
    "a picture of {name} running",
    "a picture of {name} in front of a castle",
    "a picture of {name}, side view",
    "a picture of {name} sitting",
)


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
    return understudy.judge(run, prompts=PROMPTS, count=2, device="cpu")


def test_a_character_is_learned_from_six_drawings(character: understudy.Character, tmp_path: Path) -> None:
    recipe = understudy.DreamBoothLora(steps=200, prior_pictures=16)
    learned = judged(character, recipe, tmp_path / "learned")
    described = judged(character, understudy.PromptOnly(), tmp_path / "described")
    # Of twelve pictures each, the judge knows the character in most, and without learning in next to none.
    assert learned.same_character >= 0.5
    assert described.same_character <= 0.2
    assert learned.n == described.n == 12
