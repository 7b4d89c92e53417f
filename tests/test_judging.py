"""A run is drawn and judged; the judge here is a test's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from understudy.domain import Character, Drawing, Picture, UserError, Verdict
from understudy.events import Drew, Event, Judged, Note
from understudy.judging import VERDICTS_FILE, judge, read_prompts
from understudy.methods import learn
from understudy.recipes import DrawSettings, PromptOnly
from understudy.runs import Run


def likes_waving(pictures: Sequence[Picture], character: Character) -> list[Verdict]:
    """Passes what waves; cannot read tennis."""
    assert character.drawings[0].pixels.shape == (32, 32, 3)
    return [
        Verdict(
            scene=picture.scene,
            likeness=0.9,
            same_character=True,
            attributes={"pose": "waving" in picture.scene.prompt},
            damage=0.0,
            damaged=False,
            not_judged=("tennis",) if "tennis" in picture.scene.prompt else (),
        )
        for picture in pictures
    ]


@pytest.fixture(scope="module")
def run(toy_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("judging")
    character = Character("Mo", "girl", (Drawing(Path("a.png"), np.full((32, 32, 3), 255, np.uint8), ""),))
    return learn(character, PromptOnly(base=str(toy_base)), folder / "run", device="cpu")


def test_every_scene_is_drawn_judged_and_written_down(run: Run) -> None:
    prompts = [
        "a picture of {name} waving",
        "a picture of Mo sad",
        "a picture of Mo waving and playing tennis",
    ]
    events: list[Event] = []
    settings = DrawSettings(steps=1)
    report = judge(run, prompts, 2, 0, settings, likes_waving, events.append, device="cpu")
    assert (report.n, report.quality_ratio) == (6, pytest.approx(2 / 6))
    assert list(report.by_prompt.values()) == [1.0, 0.0, 0.0]
    lines = [json.loads(line) for line in (run.folder / VERDICTS_FILE).read_text().splitlines()]
    assert [line["passed"] for line in lines] == [True, True, False, False, False, False]
    assert [(line["scene"]["prompt"], line["scene"]["seed"]) for line in lines[:2]] == [
        ("a picture of Mo waving", 0),
        ("a picture of Mo waving", 1),
    ]
    assert all((run.pictures / line["picture"]).is_file() for line in lines)
    assert sum(isinstance(event, Drew) for event in events) == 6
    assert sum(isinstance(event, Judged) for event in events) == 6
    assert "tennis" in report.text()
    assert not any(isinstance(event, Note) for event in events)


def test_a_prompt_without_the_character_is_told(run: Run) -> None:
    events: list[Event] = []
    judge(run, ["Momo waving"], 1, 0, DrawSettings(steps=1), likes_waving, events.append, device="cpu")
    assert [event.text.split()[-1] for event in events if isinstance(event, Note)] == ["it."]


def test_prompts_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("# mine\n\n  a picture of {name} waving \na picture of Mo {sad}\n", encoding="utf-8-sig")
    assert read_prompts(path) == ["a picture of {name} waving", "a picture of Mo {sad}"]
    path.write_text("# nothing\n")
    with pytest.raises(UserError, match="no prompt"):
        read_prompts(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_prompts(tmp_path / "missing.txt")
