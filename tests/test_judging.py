"""A run is drawn and judged; the judge here is a test's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from understudy.domain import Character, Drawing, Picture, Scene, Verdict
from understudy.events import Drew, Event, Judged, Note, Notify, ignore
from understudy.judges.quality import QualityReport
from understudy.judging import judge
from understudy.methods import Painter, learn
from understudy.provenance import read_record
from understudy.recipes import DrawSettings, PromptOnly
from understudy.runs import JUDGED_FILE, VERDICTS_FILE, Run


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


def quick(run: Run, prompts: list[str], notify: Notify = ignore) -> QualityReport:
    settings = DrawSettings(steps=1)
    return judge(run, prompts, 1, 0, settings, likes_waving, notify, device="cpu", drift=False)


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
    report = judge(run, prompts, 2, 0, settings, likes_waving, events.append, device="cpu", drift=False)
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


def test_what_is_said_of_all_pictures_is_written_down(run: Run) -> None:
    prompts = ["a picture of Mo waving", "a picture of Mo sad"]
    report = judge(run, prompts, 2, 0, DrawSettings(steps=1), likes_waving, device="cpu")
    judged = json.loads((run.folder / JUDGED_FILE).read_text())
    assert {"copying", "diversity", "drift", "unrelated_followed"} <= judged.keys()
    assert all(list(one) == ["value", "low", "high", "n", "says"] for one in judged.values())
    assert judged == {name: asdict(measure) for name, measure in report.measures.items()}
    assert judged["drift"]["value"] == pytest.approx(0, abs=1e-5)  # prompt-only learned nothing
    assert (judged["copying"]["n"], judged["diversity"]["n"], judged["drift"]["n"]) == (4, 2, 8)
    assert all(one["says"] in report.text() for one in judged.values())
    lines = [json.loads(line) for line in (run.folder / VERDICTS_FILE).read_text().splitlines()]
    assert {line["nearest_drawing"] for line in lines} == {"01.png"}
    assert all(0 <= line["nearest_share"] <= 1 for line in lines)
    assert judged["copying"]["value"] == sum(line["is_copy"] for line in lines) / 4


def test_drift_can_be_left_out(run: Run) -> None:
    report = quick(run, ["Mo waving"])
    assert "drift" not in report.measures
    assert "diversity" not in report.measures  # one picture has nothing to differ from
    assert "copying" in report.measures


@dataclass(frozen=True)
class Dreamer:
    """Draws what it likes."""

    follows_text: bool = False

    def canvas(self, settings: DrawSettings) -> tuple[int, int]:
        return 32, 32

    def __call__(self, scenes: Sequence[Scene], settings: DrawSettings, *rest: object) -> Iterator[Picture]:
        for scene in scenes:
            yield Picture(scene, np.full((32, 32, 3), scene.seed, np.uint8), {"prompt": scene.prompt})


def test_a_painter_that_ignores_the_words_is_not_judged_by_them(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_dreamer(*run: Run, **options: object) -> AbstractContextManager[Painter]:
        return nullcontext(Dreamer())

    monkeypatch.setattr("understudy.pictures.open_painter", open_dreamer)
    monkeypatch.setattr("understudy.judging.open_painter", open_dreamer)
    events: list[Event] = []
    prompts = ["a picture of Mo sad", "a picture of Mo playing tennis"]
    report = judge(run, prompts, 2, 0, DrawSettings(steps=1), likes_waving, events.append, device="cpu")
    assert (report.quality_ratio, report.same_character, report.num_ignoring) == (0.0, 1.0, 4)
    assert (report.attributes, report.by_attribute, report.not_judged) == (None, {}, {})
    assert "ignores the words" in report.text()
    assert "drift" not in report.measures
    assert "copying" in report.measures
    assert sum("ignores the words" in event.text for event in events if isinstance(event, Note)) == 1
    lines = [json.loads(line) for line in (run.folder / VERDICTS_FILE).read_text().splitlines()]
    assert [(line["follows_text"], line["attributes"], line["passed"]) for line in lines] == [
        (False, {}, False)
    ] * 4
    assert read_record(run.pictures / lines[0]["picture"])["follows_text"] == "no"


def test_a_prompt_without_the_character_is_told(run: Run) -> None:
    events: list[Event] = []
    quick(run, ["Momo waving"], events.append)
    assert [event.text.split()[-1] for event in events if isinstance(event, Note)] == ["anybody."]
