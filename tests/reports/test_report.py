"""A run's page: what it says where all is there, and where something is missing."""

from __future__ import annotations

import base64
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bases.toys import make_toy
from tests.reports.reading_pages import Page, read_page
from tests.toy_character import make_character, make_recipe
from understudy.cli import commands
from understudy.commands.verb import given
from understudy.cutting import cut_out_pictures
from understudy.domain import Character, Pixels, Scene, UserError, Verdict
from understudy.drawings.keep import keep_drawings
from understudy.drawings.read import read_character
from understudy.judges.quality import wilson
from understudy.options import make_recipe as recipe_of
from understudy.provenance import COMPOSITE, DIGITAL_SOURCE_TYPE, FLATTENED, read_record, write_picture
from understudy.recipes import (
    DreamBooth,
    Finetune,
    FromNothing,
    Gan,
    PromptOnly,
    Recipe,
    ScratchDiffusion,
    TextualInversion,
)
from understudy.reports.beside import find_hero, nearest_drawings, truth
from understudy.reports.gather import read_losses, read_pictures
from understudy.reports.images import drawing_uri
from understudy.reports.repeating import learn_command
from understudy.reports.report import THUMBNAIL_PX, report
from understudy.reports.shares import faults, shares_by_attribute
from understudy.runs import VERDICTS_FILE, Manifest, Plan, Run, begin_run, record_drawings
from understudy.world.heroes import EXAMPLE, hero, oracle
from understudy.world.portfolio import wish, write_drawings


def make_run(folder: Path, character: Character, recipe: Recipe) -> Run:
    """A run as learning leaves it, without the learning."""
    manifest = Manifest(
        name=character.name,
        noun=character.noun,
        drawings=record_drawings(character),
        base=None if isinstance(recipe, FromNothing) else "puppet",
        base_sha256=None if isinstance(recipe, FromNothing) else "ab" * 32,
        plan=Plan(device="cpu", precision="fp32", threads=2),
        versions={"understudy": "0.1.0"},
    )
    with begin_run(folder, recipe, manifest) as run:
        keep_drawings(character, run)
    return run


def add_pictures(run: Run, prompts: Sequence[str], pixels: Pixels) -> list[Path]:
    paths = [run.pictures / f"{number}.png" for number in range(len(prompts))]
    for path, prompt in zip(paths, prompts, strict=True):
        write_picture(path, pixels, {"prompt": prompt, "seed": "7"})
    return paths


def verdict(prompt: str, same: bool = True, mood: bool = True, damaged: bool = False) -> Verdict:
    return Verdict(Scene(prompt, 7), 0.75, same, {"mood": mood}, 0.1, damaged)


def add_verdicts(run: Run, paths: Sequence[Path], verdicts: Sequence[Verdict]) -> None:
    lines = [
        json.dumps({"picture": path.name, **asdict(one), "passed": one.passed, "later": 1})
        for path, one in zip(paths, verdicts, strict=True)
    ]
    (run.folder / VERDICTS_FILE).write_text("\n".join(lines) + "\n")


def page_of(run: Run) -> Page:
    return read_page(report(run).read_text(encoding="utf-8"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "pip", make_character(), make_recipe(tmp_path / "base"))


@pytest.fixture(scope="module")
def nuvimo(tmp_path_factory: pytest.TempPathFactory) -> Character:
    folder = tmp_path_factory.mktemp("nuvimo")
    write_drawings(EXAMPLE, folder)
    return read_character(folder, EXAMPLE.name, EXAMPLE.noun)


def test_pages_need_no_torch() -> None:
    code = (
        "import sys, understudy.reports.report, understudy.reports.description; "
        "print(sorted({'torch', 'diffusers', 'transformers', 'matplotlib'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_what_is_missing_is_named_with_its_command(run: Run) -> None:
    page = page_of(run)
    text = page.text
    assert [alt for alt, _ in page.images][:3] == [f"Drawing drawing_{number}.png" for number in range(3)]
    assert f"No picture is judged yet: understudy judge {run.folder}" in text
    assert (
        f"No picture lies in the run's own folder yet: understudy draw {run.folder} 'a picture of Pip waving'"
        in text
    )
    assert f"Not measured yet: understudy judge {run.folder}" in text
    assert "Time, memory and electricity were not recorded" in text
    assert "Nothing was logged yet" in text


def test_all_that_is_there_is_told(run: Run) -> None:
    prompts = ["a picture of Pip sad", "a picture of Pip smiling", "a picture of Pip <script>"]
    paths = add_pictures(run, prompts, make_character().drawings[1].pixels)
    add_verdicts(
        run, paths[:2], [verdict(prompts[0]), verdict(prompts[1], same=False, mood=False, damaged=True)]
    )
    for step in range(10, 60, 10):
        run.log({"step": step, "loss": 1 / step})
    run.log({"step": 50, "reviewed": True})
    judged = {"copied": {"value": 0.05, "low": 0.01, "high": 0.2, "n": 39, "says": "Two are near a drawing."}}
    (run.folder / "judged.json").write_text(json.dumps(judged))
    cost = {"seconds": 84.2, "peak_memory_bytes": 1.5e9, "energy_wh": 1.23, "co2e_g": 0.58}
    (run.folder / "footprint.json").write_text(
        json.dumps({**cost, "energy_is": "estimated", "says": "It took 84 s."})
    )
    page = page_of(run)
    assert "50% of 2 new pictures pass." in page.text
    low, high = wilson(1, 2)
    assert f"the true share lies between {low:.0%} and {high:.0%}" in page.text
    assert "✓ passes" in page.text
    assert "✗ another character; mood: not smiling; something is melted or missing" in page.text
    assert "Pip <script> not among the judged" in page.text
    assert "copied 0.05 0.01 to 0.2 (95% interval), n = 39 Two are near a drawing." in page.text
    assert "time 84 s memory at most 1.5 GB electricity, estimated 1.23 Wh" in page.text
    assert "Learning took 1 min 24 s, at most 1.5 GB of memory" in page.text
    assert sum(alt.startswith("Loss") for alt, _ in page.images) == 1
    assert not any(alt == "The truth" for alt, _ in page.images)
    assert "No picture is judged yet" not in page.text


def test_pictures_of_one_prompt_and_seed_are_told_apart(run: Run) -> None:
    pixels = make_character().drawings[1].pixels
    asked = {"prompt": "a picture of Pip sad", "seed": "7", "learned_steps": "0"}
    records = {
        "now": asked,
        "before": {**asked, "learned_steps": "321"},
        "redrawn": {**asked, "redrawn": "face", "sketch": "1.png"},
        "sketched": {**asked, "sketch": "2.png"},
    }
    for name, record in records.items():
        write_picture(run.pictures / f"{name}.png", pixels, record)
    text = page_of(run).text
    assert text.count("Pip sad not among the judged · seed 7") == 4
    assert text.count("· seed 7 · drawn after 321 steps") == 1
    assert text.count("· seed 7 · face redrawn in 1.png") == 1
    assert text.count("· seed 7 · from 2.png") == 1


def test_a_copy_is_called_a_copy_of_the_artists_own_file(run: Run) -> None:
    prompts = ["a picture of Pip sad", "a picture of Pip smiling", "a picture of Pip waving"]
    paths = add_pictures(run, prompts, make_character().drawings[1].pixels)
    add_verdicts(run, paths[:2], [verdict(prompt) for prompt in prompts[:2]])
    nearest = [
        {"nearest_drawing": "03.png", "nearest_share": 0.97, "is_copy": True},
        {"nearest_drawing": "01.png", "nearest_share": 0.42, "is_copy": False},
    ]
    lines = map(json.loads, (run.folder / VERDICTS_FILE).read_text().splitlines())
    joined = [json.dumps(line | found) for line, found in zip(lines, nearest, strict=True)]
    (run.folder / VERDICTS_FILE).write_text("\n".join(joined))
    page = page_of(run)
    assert page.text.count("a copy of") == 1
    assert (
        "nearest drawing; 97% of its figure is here again Pip sad ✓ passes · a copy of drawing_2.png"
        in page.text
    )
    assert "nearest drawing; 42% of its figure is here again Pip smiling ✓ passes · seed 7" in page.text
    assert "nearest drawing Pip waving not among the judged" in page.text
    assert "That is about copying, not about likeness" in page.text
    shown = [source for alt, source in page.images if alt == "The nearest drawing"]
    thumbnails = [drawing_uri(drawing.pixels, THUMBNAIL_PX) for drawing in make_character().drawings]
    assert [thumbnails.index(source) for source in shown] == [2, 0, 1]  # the last by its looks


def test_damaged_files_are_one_sentence(run: Run) -> None:
    for file in (VERDICTS_FILE, "judged.json"):
        for content in ("{", "[]", '{"copied": {"value": "high"}}'):
            (run.folder / file).write_text(content)
            with pytest.raises(UserError, match=file):
                report(run)
        (run.folder / file).unlink()
    report(run)


def test_verdicts_come_first_and_no_more_than_asked_for(run: Run) -> None:
    prompts = [f"a picture of Pip {number}" for number in range(5)]
    paths = add_pictures(run, prompts, np.zeros((8, 8, 3), np.uint8))
    add_verdicts(run, [paths[3]], [verdict("a picture of Pip 3")])
    (run.pictures / "mine.png").write_text("no picture")
    shown, left_out = read_pictures(run, (), 3)
    assert [one.path.name for one in shown] == ["3.png", "0.png", "1.png"]
    assert [one.verdict is not None for one in shown] == [True, False, False]
    assert left_out == 2  # of the five that were drawn; mine.png is none
    assert len(read_pictures(run, (), 60)[0]) == 5


def test_what_was_made_of_a_picture_is_no_picture_more(run: Run) -> None:
    pixels = make_character().drawings[1].pixels
    (first, second) = add_pictures(run, ["a picture of Pip sad", "a picture of Pip waving"], pixels)
    add_verdicts(run, [first], [verdict("a picture of Pip sad")])
    cut = cut_out_pictures([first, second])
    write_picture(run.pictures / "0-flat.png", pixels, {**read_record(first), FLATTENED: "yes"})
    write_picture(run.pictures / "grid.png", pixels, {"pictures": "0.png, 1.png"}, COMPOSITE)
    shutil.copy(first, run.pictures / "alone.png")  # without its sidecar
    assert all(path.parent == run.pictures for path in cut)
    shown, left_out = read_pictures(run, (), 60)
    assert [one.path for one in shown] == [first, second]
    assert left_out == 0
    assert read_pictures(run, (), 1)[1] == 1


def test_a_hero_is_shown_beside_its_truth(nuvimo: Character, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", nuvimo, PromptOnly())
    prompts = ["a picture of Nuvimo with ice cream", "a picture of Nuvimo playing tennis"]
    add_pictures(run, prompts, nuvimo.drawings[0].pixels)
    page = page_of(run)
    assert sum(alt == "The truth" for alt, _ in page.images) == 1  # tennis is not of this world
    assert "This method learns nothing" in page.text
    true = truth(EXAMPLE, prompts[0])
    assert true is not None
    assert np.array_equal(true, oracle(EXAMPLE, wish(EXAMPLE, prompts[0])).pixels)


def test_only_a_heros_own_drawings_make_it_a_hero(nuvimo: Character, tmp_path: Path) -> None:
    assert find_hero(nuvimo) == EXAMPLE
    assert find_hero(Character("Nuvimo", "girl", make_character().drawings)) is None
    other = hero(5)
    write_drawings(other, tmp_path)
    assert find_hero(read_character(tmp_path, other.name)) == other
    assert find_hero(read_character(tmp_path, "Nuvimo")) is None


def test_the_nearest_drawing_is_found_mirrored_too(nuvimo: Character) -> None:
    drawings = nuvimo.drawings
    pictures = [drawings[5].pixels[:, ::-1], drawings[1].pixels, drawings[3].pixels // 8 * 7]
    assert nearest_drawings(pictures, drawings) == [5, 1, 3]


def test_shares_count_only_what_was_asked_for() -> None:
    asked = Verdict(Scene("a"), 0.5, True, {"pose": False, "mood": True}, 0.0, False)
    shares = {one.label: one for one in shares_by_attribute([asked, verdict("b", same=False, damaged=True)])}
    assert (shares["mood"].share, shares["mood"].n) == (1, 2)
    assert (shares["pose"].share, shares["pose"].n) == (0, 1)
    assert (shares["pose"].low, shares["pose"].high) == wilson(0, 1)
    assert (shares["same character"].share, shares["nothing damaged"].share) == (0.5, 0.5)


def test_faults_say_what_was_asked_for_and_is_not_there() -> None:
    prompt = "a picture of Pip with hands on face and playing tennis"
    one = Verdict(Scene(prompt), 0.5, True, {"pose": False}, 0.0, False, ("playing tennis",))
    assert faults(one, "Pip") == ("pose: not hands on face", "cannot be judged: playing tennis")


@pytest.mark.parametrize(
    "recipe",
    [
        make_recipe(Path("a base")).model_copy(update={"flips": True, "targets": ("attention", "time")}),
        make_recipe(Path("a base")).model_copy(update={"vectors": 2, "initial": "a red {noun}"}),
        DreamBooth.from_preset("thesis", {"optimizer": "adam-8bit", "checkpointing": "whole"}),
        TextualInversion.from_preset("paper", {"vectors": 3}),
        Gan(steps=7),
        Gan.from_preset("dcgan-resumed", {"steps": 300}),  # without augmentation, which no flag can say
        ScratchDiffusion.from_preset("thesis", {"captions": True}),
    ],
)
def test_the_learn_command_makes_the_same_recipe(recipe: Recipe, toy_base: Path, tmp_path: Path) -> None:
    if isinstance(recipe, Finetune) and recipe.base == "a base":
        recipe = recipe.model_copy(update={"base": str(toy_base)})
    assert_repeated(recipe, tmp_path)


def test_the_learn_command_knows_what_suits_a_base(tmp_path: Path) -> None:
    base = str(make_toy("sdxl", tmp_path / "base"))
    assert_repeated(recipe_of("dreambooth-lora", {"base": base}), tmp_path)
    assert_repeated(recipe_of("dreambooth-lora", {"base": base, "learning_rate": 3e-3}), tmp_path / "b")


def assert_repeated(recipe: Recipe, tmp_path: Path) -> None:
    tmp_path.mkdir(exist_ok=True)
    run = make_run(tmp_path / "a run", make_character(), recipe)
    words = shlex.split(learn_command(run, recipe, None))
    assert words[:3] == ["understudy", "learn", "DRAWINGS"]
    learn = commands.commands["learn"]
    asked = dict(learn.make_context("learn", words[2:]).params)
    assert (asked.pop("name"), asked.pop("noun"), asked.pop("run")) == ("Pip", "girl", run.folder)
    method = str(asked.pop("method"))
    knobs = {name: value for name, value in asked.items() if name in type(recipe).model_fields}
    assert recipe_of(method, given(**knobs), asked["preset"]) == recipe


def test_a_gan_shows_both_players_and_names_no_base(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_character(), Gan())
    for step in (10, 20, 30):
        run.log({"step": step, "drawing_loss": 1 / step, "telling_loss": 2 / step, "score_of_pictures": 3})
    steps, (drawing, telling) = [10, 20, 30], ([1 / 10, 1 / 20, 1 / 30], [2 / 10, 2 / 20, 2 / 30])
    assert read_losses(run) == {"drawing loss": (steps, drawing), "telling loss": (steps, telling)}
    page = report(run).read_text(encoding="utf-8")
    assert "without a base" in page
    assert "None" not in read_page(page).text


def test_a_page_of_39_large_pictures_stays_small(run: Run, nuvimo: Character) -> None:
    drawn = Image.fromarray(nuvimo.drawings[1].pixels).resize((512, 512), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(0).normal(0, 6, (512, 512, 3))
    pixels = (np.asarray(drawn) + grain).clip(0, 255).astype(np.uint8)
    (first,) = add_pictures(run, ["a picture of Pip waving"], pixels)
    for number in range(1, 39):
        for ending in (".png", ".json"):
            shutil.copy(first.with_suffix(ending), run.pictures / f"{number}{ending}")
    path = report(run)
    assert path.stat().st_size < 5_000_000 < 39 * first.stat().st_size
    page = read_page(path.read_text(encoding="utf-8"))
    sources = [source for alt, source in page.images if alt == "a picture of Pip waving"]
    assert len(sources) == 39
    assert DIGITAL_SOURCE_TYPE.encode() in base64.b64decode(sources[0].partition(",")[2])
