"""What a base adds to prompts that are silent about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.bases.catalog import find_base, hash_base
from understudy.bases.prompting import PROMPTING_FILE, Default, Prompting, read_prompting
from understudy.domain import UserError
from understudy.recipes import PUPPET
from understudy.world.captions import parse
from understudy.world.phrases import PHRASES


@pytest.mark.parametrize(
    ("prompt", "completed"),
    [
        ("a picture of Mo sad", "a picture of Mo sad, standing, full body, front view"),
        ("a picture of Mo at a castle", "a picture of Mo at a castle, standing, full body, front view"),
        ("Mo waving. ", "Mo waving, full body, front view"),
        ("a picture of Mo with ice cream", "a picture of Mo with ice cream, full body, front view"),
        ("a portrait of Mo, smiling", "a portrait of Mo, smiling, front view"),
        ("a picture of Mo, Side View", "a picture of Mo, Side View, standing, full body"),
        ("Mo seen from behind in the woods, walking, full body", None),
        ("", None),
    ],
)
def test_the_embedded_base_draws_all_of_a_standing_figure_from_the_front_unless_told(
    prompt: str, completed: str | None
) -> None:
    assert read_prompting(find_base(PUPPET)).complete(prompt) == (prompt if completed is None else completed)


def test_what_is_said_stays_and_what_is_not_is_added_in_words_that_are_understood() -> None:
    prompting = read_prompting(find_base(PUPPET))
    for row in PHRASES:
        for said in (*row.said, *row.heard):
            before = parse(f"a picture of Mo {said}", "Mo").attributes.said()
            after = parse(prompting.complete(f"a picture of Mo {said}"), "Mo").attributes.said()
            silent = {"view": "front", "framing": "full_body", "pose": "standing"}
            if before.get("framing") == "portrait":
                del silent["pose"]
            assert after == silent | before, said


def test_a_base_without_the_file_adds_nothing(tmp_path: Path) -> None:
    assert read_prompting(tmp_path) == Prompting()
    assert Prompting().complete("Mo sad") == "Mo sad"


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / PROMPTING_FILE).write_text('{"defaults": [{"unless": []}]}')
    with pytest.raises(UserError, match="get the base again"):
        read_prompting(tmp_path)


def test_the_defaults_are_part_of_the_base(tmp_path: Path) -> None:
    import shutil

    base = tmp_path / "base"
    shutil.copytree(find_base(PUPPET), base)
    before = hash_base(base)
    wish = Prompting(defaults=(Default(unless=("at night",), add="by day"),))
    (base / PROMPTING_FILE).write_text(wish.model_dump_json())
    assert hash_base(base) != before
