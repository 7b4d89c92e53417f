"""The decoder's file: who learns one, what becomes of it in a run that goes on, and what is said of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors import safe_open

from tests.killing import Killed
from tests.toy_character import (
    make_character,
    make_lora_recipe,
    make_recipe,
    make_whole_recipe,
    make_word_recipe,
)
from understudy.bases.opening import open_base
from understudy.domain import Character, Picture, Rights, Scene
from understudy.events import Event, Note, Step, ignore
from understudy.exporting import export
from understudy.methods import learn, learn_together, open_painter
from understudy.methods.computing.processes import FollowingRun
from understudy.methods.decoder import UNFINISHED_FILE, learn_decoder
from understudy.methods.examples import EXAMPLES_FILE, Examples
from understudy.methods.learned_decoder import DECODER_FILE, hash_decoder, read_steps
from understudy.methods.whole_weights import PIPELINE_FOLDER
from understudy.recipes import DrawSettings, DreamBoothLora, Finetune
from understudy.runs import Plan, Run
from understudy.runs.folder import RECIPE_FILE

SETTINGS = DrawSettings(steps=3, batch=1)
SCENE = Scene("a picture of Pip waving", 4)
TAUGHT: Mapping[str, object] = {"steps": 20, "decoder_share": 0.9, "snapshot_every": 20}
MAKE: Mapping[str, Callable[[Path], Finetune]] = {
    "lora": make_lora_recipe,
    "dreambooth": make_whole_recipe,
    "dreambooth as a pipeline": lambda base: make_whole_recipe(base).model_copy(
        update={"save_as": "pipeline"}
    ),
    "textual-inversion": make_word_recipe,
}


def make_taught(base: Path, steps: int = 6, **knobs: object) -> DreamBoothLora:
    few = {"prior_weight": 0.0, "batch": 1, "views": 2, "decoder_share": 0.9}
    return make_recipe(base).model_copy(update={**few, "steps": steps, **knobs})


@pytest.fixture(scope="module")
def run(toy_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Tests only read it."""
    return learn(pip, make_taught(toy_base), tmp_path_factory.mktemp("taught"))


def draw(run: Run, notify: Callable[[Event], None] = ignore) -> Picture:
    with open_painter(run, notify=notify) as painter:
        return next(painter([SCENE], SETTINGS))


def decoder_steps(seen: list[Event]) -> list[int]:
    return [event.done for event in seen if isinstance(event, Step) and event.phase == "decoder"]


def kill_at(step: int, phase: str = "decoder") -> Callable[[Event], None]:
    def notify(event: Event) -> None:
        if isinstance(event, Step) and event.phase == phase and event.done == step:
            raise Killed

    return notify


@pytest.mark.parametrize("method", MAKE)
def test_every_method_on_a_small_base_learns_and_draws_with_one(
    method: str, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    run = learn(pip, MAKE[method](toy_base).model_copy(update=TAUGHT), tmp_path / "run")
    assert read_steps(run) == 18
    picture, newest = draw(run), run.newest()
    assert picture.record["decoder_sha256"] == hash_decoder(run)["decoder_sha256"]
    assert newest is not None
    if method == "dreambooth as a pipeline":  # it has the decoder inside
        pipe = StableDiffusionPipeline.from_pretrained(newest.folder / PIPELINE_FOLDER, safety_checker=None)
        generator = torch.Generator().manual_seed(SCENE.seed)
        drawn = pipe(
            SCENE.prompt,
            None,
            None,
            3,
            guidance_scale=SETTINGS.guidance,
            generator=generator,
            output_type="np",
        )
        assert np.abs(drawn.images[0] * 255 - picture.pixels).mean() < 0.5
        return
    (run.folder / DECODER_FILE).unlink()
    seen: list[Event] = []
    plain = draw(run, seen.append)
    assert np.abs(picture.pixels.astype(int) - plain.pixels).mean() > 1
    assert "decoder_sha256" not in plain.record
    assert [one for one in seen if isinstance(one, Note) and f"{DECODER_FILE} is not there" in one.text]


def test_a_run_that_is_asked_for_more_steps_ends_with_the_decoder_of_all_at_once(
    run: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    learn(pip, make_taught(toy_base, 3), tmp_path)
    before = (tmp_path / DECODER_FILE).read_bytes()
    with pytest.raises(Killed):
        learn(pip, make_taught(toy_base), tmp_path, notify=kill_at(2))
    assert (tmp_path / DECODER_FILE).read_bytes() == before
    with pytest.raises(Killed):
        learn(pip, make_taught(toy_base), tmp_path, notify=kill_at(5, "learning"))
    seen: list[Event] = []
    learn(pip, make_taught(toy_base), tmp_path, notify=seen.append)
    assert decoder_steps(seen) == []
    assert (tmp_path / DECODER_FILE).read_bytes() == (run.folder / DECODER_FILE).read_bytes()


def test_what_was_learned_on_the_way_to_fewer_steps_is_not_gone_on_with(
    run: Run, toy_base: Path, pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("understudy.methods.decoder.MAX_LOST_S", 0.0)
    with pytest.raises(Killed):
        learn(pip, make_taught(toy_base, 3), tmp_path, notify=kill_at(2))
    assert (tmp_path / UNFINISHED_FILE).exists()
    seen: list[Event] = []
    learn(pip, make_taught(toy_base), tmp_path, notify=seen.append)
    assert decoder_steps(seen)[0] == 0
    assert (tmp_path / DECODER_FILE).read_bytes() == (run.folder / DECODER_FILE).read_bytes()


def test_a_kill_between_the_decoder_and_the_first_step_leaves_nothing_behind(
    run: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        learn(pip, make_taught(toy_base), tmp_path, notify=kill_at(2))
    shutil.copy(run.folder / DECODER_FILE, tmp_path)
    (tmp_path / UNFINISHED_FILE).write_bytes(b"from before the kill")
    learn(pip, make_taught(toy_base), tmp_path)
    assert not (tmp_path / UNFINISHED_FILE).exists()


def test_runs_that_learn_together_go_on_to_more_steps_together(
    toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    for steps in (3, 6):
        one = make_taught(toy_base, steps)
        other = one.model_copy(update={"learning_rate": 1e-4})
        runs = learn_together(pip, {tmp_path / "one": one, tmp_path / "other": other})
        assert [read_steps(each) for each in runs] == [int(0.9 * steps)] * 2


def test_a_process_that_follows_another_learns_none(
    run: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    base = open_base(toy_base, Plan(device="cpu", precision="fp32", threads=1))
    examples, seen = Examples.load(run.folder / EXAMPLES_FILE, "cpu"), list[Event]()
    learn_decoder(base, pip, examples, make_taught(toy_base), FollowingRun(tmp_path), seen.append)
    assert not seen
    assert not list(tmp_path.iterdir())


def test_its_file_says_whom_it_shows_and_whose_it_is(toy_base: Path, tmp_path: Path) -> None:
    rights = Rights(artist="Ada", licence="mine")
    character = Character("Pip", "girl", make_character(1).drawings, rights)
    run = learn(character, make_taught(toy_base, 2), tmp_path)
    with safe_open(run.folder / DECODER_FILE, "pt") as file:
        said = file.metadata()
    assert (said["character"], said["drawings_artist"], said["drawings_licence"]) == ("Pip", "Ada", "mine")


def test_a_run_from_before_there_was_the_knob_learned_none_and_goes_on_without(
    toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe = make_taught(toy_base, 3, decoder_share=0.0)
    run = learn(pip, recipe, tmp_path)
    lines = (tmp_path / RECIPE_FILE).read_text().splitlines()
    (tmp_path / RECIPE_FILE).write_text("\n".join(one for one in lines if "decoder_share" not in one))
    assert run.recipe == recipe
    learn(pip, recipe.model_copy(update={"steps": 6}), tmp_path)
    assert not (tmp_path / DECODER_FILE).exists()


def test_who_exports_a_word_is_told_what_other_tools_lack(
    toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    run = learn(
        pip,
        make_word_recipe(toy_base).model_copy(update={"steps": 2, "decoder_share": 0.9}),
        tmp_path / "run",
    )
    seen: list[Event] = []
    export(run, "kohya", tmp_path / "pip.safetensors", notify=seen.append)
    assert any(DECODER_FILE in str(event) for event in seen)
