"""What a comparison's file asks for, and every mistake in one sentence that names the key."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from understudy.comparisons.files import read_comparison
from understudy.comparisons.plan import make_plan
from understudy.domain import UserError
from understudy.world.captions import STUDY_PROMPTS

OF_THE_STUDY = Path(__file__).parents[2] / "compare"
HERO = "[[characters]]\nhero = 3\n"
ROW = '[[rows]]\nmethod = "prompt-only"\n'
LEARNING = '[[rows]]\nmethod = "dreambooth-lora"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "compare.toml"
    path.write_text(text)
    return path


def test_what_is_left_out_is_the_studys(tmp_path: Path) -> None:
    comparison = read_comparison(write(tmp_path, HERO + ROW))
    assert comparison.prompts == STUDY_PROMPTS
    assert (comparison.pictures, comparison.learning_seeds, comparison.drift) == (3, (0,), True)


def test_paths_are_from_where_the_file_lies(toy_base: Path, tmp_path: Path) -> None:
    for name in ("model", "other"):
        shutil.copytree(toy_base, tmp_path / name)
    mine = '[[characters]]\ndrawings = "mine"\nname = "Mo"\n'
    text = f'base = "model"\n{mine}{ROW}knobs = {{ base = "other" }}\n'
    comparison = read_comparison(write(tmp_path, text))
    assert comparison.characters[0].drawings == str(tmp_path / "mine")
    assert comparison.base == str(tmp_path / "model")
    assert comparison.rows[0].recipe(comparison.base, None).model_dump()["base"] == str(tmp_path / "other")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HERO, "rows: Field required"),
        (HERO + ROW + "colour = 1\n", "rows.1.colour"),
        (HERO + '[[rows]]\nmethod = "magic"\n', "rows.1.method: there is no 'magic'"),
        (HERO + ROW + 'preset = "papers"\n', "rows.1.preset"),
        (HERO + ROW + LEARNING + "knobs = { rank = 0 }\n", "rows.2.knobs: rank"),
        (HERO + LEARNING + "knobs = { seed = 1 }\n", "rows.1.knobs.seed: say it in learning_seeds"),
        (HERO + LEARNING + "at_steps = [150]\n", "rows.1.at_steps: no weights are kept of step 150"),
        (HERO + LEARNING + "at_steps = [1300]\n", "rows.1.at_steps"),
        (HERO + ROW + "at_steps = [1]\n", "rows.1.at_steps"),
        (HERO + ROW + "draw_steps = [2000]\n", "rows.1.draw_steps"),
        (HERO + ROW + "learning_seeds = [-1]\n", "rows.1.learning_seeds"),
        (HERO + ROW + ROW, "labels must differ in a letter or digit, not so 'prompt-only'"),
        (HERO + HERO + ROW, "twice there is 'hero-3'"),
        ("[[characters]]\n" + ROW, "characters.1: give either"),
        (HERO + 'name = "Mo"\n' + ROW, "characters.1: drawings need a name"),
        ('[[characters]]\ndrawings = "mine"\nname = "Book"\n' + ROW, "characters.1: 'Book' cannot be told"),
        ("[[characters]]\nhero = 1000\n" + ROW, "judging = true"),
        ("learning_seeds = [1, 1]\n" + HERO + ROW, "twice there is '1'"),
        ('prompts = ["a", "a"]\n' + HERO + ROW, "prompts: one is there twice"),
        ("[draw]\nguidance = 0\n" + HERO + ROW, "draw.guidance"),
        ("rows = ", "not a TOML file"),
    ],
)
def test_mistakes_name_the_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        read_comparison(write(tmp_path, text))
    assert said in str(caught.value)
    assert "compare.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_reference_must_be_a_line(tmp_path: Path) -> None:
    comparison = read_comparison(write(tmp_path, 'reference = "magic"\n' + HERO + ROW))
    with pytest.raises(
        UserError, match="reference: 'magic' is no line of the table, take one of prompt-only"
    ):
        make_plan(comparison, tmp_path)


def test_no_file_is_a_mistake_of_the_users(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_comparison(tmp_path / "missing.toml")


def test_rows_become_runs_and_lines(tmp_path: Path) -> None:
    text = f"""
learning_seeds = [0, 7]
{HERO}
[[characters]]
hero = 4
{ROW}
{LEARNING}at_steps = [100, 400]
draw_steps = [10, 20]
[[rows]]
label = "One: seed"
method = "gan"
learning_seeds = [5]
"""
    plan = make_plan(read_comparison(write(tmp_path, text)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [run.learning_seed for run in plan.runs] == [0, 7, 0, 7, 5] * 2
    assert plan.lines == [
        "prompt-only",
        *(f"dreambooth-lora, step {at}, drawn in {steps}" for at in (100, 400) for steps in (10, 20)),
        "One: seed",
    ]
    names = [run.folder.relative_to(tmp_path / "out" / "runs").as_posix() for run in plan.runs[:5]]
    assert [name.rsplit("-", 1)[0] for name in names] == [
        "hero-3/prompt-only-seed-0",
        "hero-3/prompt-only-seed-7",
        "hero-3/dreambooth-lora-seed-0",
        "hero-3/dreambooth-lora-seed-7",
        "hero-3/one-seed-seed-5",
    ]
    folders = [
        sitting.folder.relative_to(plan.runs[2].folder).as_posix() for sitting in plan.runs[2].sittings
    ]
    assert folders[0] == "judged-at-000100-drawn-in-0010"
    assert len(set(folders)) == 4
    assert plan.runs[0].sittings[0].folder == plan.runs[0].folder


def test_another_recipe_under_the_same_label_is_another_run(tmp_path: Path) -> None:
    folders = []
    for knobs in ("", "knobs = { rank = 4 }\n"):
        plan = make_plan(read_comparison(write(tmp_path, HERO + LEARNING + knobs)), tmp_path / "out")
        folders.append(plan.runs[0].folder)
    assert folders[0] != folders[1]


@pytest.mark.parametrize("name", ["tuning-steps", "learning-rates", "inference-steps"])
def test_the_studys_axes_can_be_read(name: str, tmp_path: Path) -> None:
    plan = make_plan(read_comparison(OF_THE_STUDY / f"{name}.toml"), tmp_path)
    num_runs, num_lines = {"tuning-steps": (3, 20), "learning-rates": (21, 7), "inference-steps": (3, 10)}[
        name
    ]
    assert (len(plan.runs), len(plan.lines)) == (num_runs, num_lines)
    rates = [run.recipe.model_dump()["learning_rate"] for run in plan.runs[:7]]
    if name == "learning-rates":
        assert rates == [0.1, 0.01, 0.001, 0.0001, 5e-05, 1e-05, 1e-06]


def test_a_base_may_be_a_name(tmp_path: Path) -> None:
    assert read_comparison(write(tmp_path, 'base = "klein"\n' + HERO + ROW)).base == "klein"
