from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.toy_character import make_recipe
from understudy.domain import Character, Picture, Scene, UserError
from understudy.events import Drew, Event, Step
from understudy.methods import learn
from understudy.pictures import draw, save_picture, seeded_scenes
from understudy.provenance import read_record
from understudy.recipes import DrawSettings
from understudy.runs import Run

PROMPT = "a picture of Pip reading a book"
FAST = DrawSettings(steps=4)


@pytest.fixture(scope="module")
def run(toy_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learn(pip, make_recipe(toy_base), tmp_path_factory.mktemp("run"))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image).astype(np.float32)


def test_a_picture_for_every_scene_in_their_order(run: Run, tmp_path: Path) -> None:
    events: list[Event] = []
    scenes = seeded_scenes([PROMPT, "a picture of Pip sad"], count=3, seed=4)
    files = draw(run, scenes, FAST, tmp_path, events.append)
    assert [(read_record(file)["prompt"], read_record(file)["seed"]) for file in files] == [
        (scene.prompt, str(scene.seed)) for scene in scenes
    ]
    assert [event.path for event in events if isinstance(event, Drew)] == files
    assert events[-1] == Step("drawing", 6, 6)
    assert sorted(tmp_path.glob("*.png")) == sorted(files)


def test_the_record_lies_beside_the_picture(run: Run) -> None:
    (file,) = draw(run, [Scene(PROMPT, 2)], FAST)
    assert file.parent == run.pictures
    record = json.loads(file.with_suffix(".json").read_text())
    newest = run.newest()
    assert newest is not None
    assert record["weights_sha256"] == newest.sha256["pytorch_lora_weights.safetensors"]
    assert (record["steps"], record["guidance"], record["width"]) == ("4", "4.0", "32")


def test_the_identical_call_writes_the_identical_files(run: Run, tmp_path: Path) -> None:
    first = draw(run, [PROMPT], FAST, tmp_path / "a")
    second = draw(run, [PROMPT], FAST, tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes()
        assert one.with_suffix(".json").read_bytes() == other.with_suffix(".json").read_bytes()


def test_a_picture_does_not_depend_on_its_batch(run: Run, tmp_path: Path) -> None:
    scenes = seeded_scenes([PROMPT], count=5)
    together = draw(run, scenes, FAST.model_copy(update={"batch": 5}), tmp_path / "together")
    alone = draw(run, scenes, FAST.model_copy(update={"batch": 1}), tmp_path / "alone")
    mixed = draw(run, scenes[::-1], FAST.model_copy(update={"batch": 2}), tmp_path / "mixed")[::-1]
    for one, other, third in zip(together, alone, mixed, strict=True):
        assert np.abs(pixels(one) - pixels(other)).mean() <= 1
        assert np.abs(pixels(one) - pixels(third)).mean() <= 1


def test_other_settings_overwrite_nothing(run: Run, tmp_path: Path) -> None:
    draw(run, [PROMPT], FAST, tmp_path)
    draw(run, [PROMPT], FAST.model_copy(update={"guidance": 2.0}), tmp_path)
    draw(run, [PROMPT], FAST.model_copy(update={"negative": "hands"}), tmp_path)
    assert len(list(tmp_path.glob("*.png"))) == 3


def test_a_scene_says_its_own_negative(run: Run, tmp_path: Path) -> None:
    settings = FAST.model_copy(update={"negative": "hands"})
    files = draw(run, [Scene(PROMPT), Scene(PROMPT, 0, "hats")], settings, tmp_path)
    assert [read_record(file)["negative"] for file in files] == ["hands", "hats"]


def test_nothing_learned_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run"):
        draw(tmp_path, [PROMPT])


@pytest.mark.parametrize("prompt", ["", "...", "../../etc/passwd", "ü" * 500, "a\nb"])
def test_any_prompt_gives_a_file_name(prompt: str, tmp_path: Path) -> None:
    picture = Picture(Scene(prompt, 3), np.zeros((4, 4, 3), np.uint8), {"prompt": prompt})
    path = save_picture(picture, tmp_path)
    assert path.parent == tmp_path
    assert path.exists()
