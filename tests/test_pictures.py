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
from understudy.pictures import (
    draw,
    open_picture,
    read_prompts,
    read_sketch,
    save_picture,
    seeded_scenes,
    write_grid,
)
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


def test_a_sketch_of_any_size_is_begun_from(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (90, 40), (200, 40, 40)).save(tmp_path / "pose.png")
    (weak,) = draw(run, [PROMPT], FAST, tmp_path / "a", sketch=read_sketch(tmp_path / "pose.png", 0.3))
    (strong,) = draw(run, [PROMPT], FAST, tmp_path / "b", sketch=read_sketch(tmp_path / "pose.png", 1.0))
    assert np.array_equal(pixels(weak).shape, (32, 32, 3))
    red = np.array((200, 40, 40))
    assert np.abs(pixels(weak) - red).mean() < np.abs(pixels(strong) - red).mean()
    assert (read_record(weak)["sketch"], read_record(weak)["strength"]) == ("pose.png", "0.3")


def test_mistakes_with_a_sketch(tmp_path: Path) -> None:
    (tmp_path / "letter.png").write_text("dear Pip")
    with pytest.raises(UserError, match=r"letter\.png"):
        read_sketch(tmp_path / "letter.png")
    with pytest.raises(UserError, match="above 0 and up to 1"):
        read_sketch(tmp_path / "letter.png", 1.5)


def test_a_picture_comes_back_from_its_file(run: Run, tmp_path: Path) -> None:
    (file,) = draw(run, [Scene(PROMPT, 9, "hats")], FAST, tmp_path)
    picture = open_picture(file)
    assert picture.scene == Scene(PROMPT, 9, "hats")
    assert np.array_equal(picture.pixels, pixels(file))
    assert picture.record == read_record(file)


def test_a_grid_has_a_row_for_each_prompt(run: Run, tmp_path: Path) -> None:
    files = draw(run, seeded_scenes([PROMPT, "a picture of Pip sad"], 3), FAST, tmp_path)
    write_grid(files, tmp_path / "grid.png")
    grid = pixels(tmp_path / "grid.png")
    assert grid.shape[1] > 3 * 192
    assert 2 * 192 < grid.shape[0] < 3 * 192
    assert read_record(tmp_path / "grid.png")["pictures"].split(", ") == [file.name for file in files]
    with pytest.raises(UserError, match="no single picture"):
        open_picture(tmp_path / "grid.png")


def test_prompts_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("# mine\n\n  a picture of {name} waving \na picture of Mo {sad}\n", encoding="utf-8-sig")
    assert read_prompts(path) == ["a picture of {name} waving", "a picture of Mo {sad}"]
    path.write_text("# nothing\n")
    with pytest.raises(UserError, match="no prompt"):
        read_prompts(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_prompts(tmp_path / "missing.txt")
