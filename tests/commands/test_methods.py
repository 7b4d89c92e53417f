"""Every kind of method from `learn` to `report`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.bases.toy_flux2 import make_toy_flux2
from tests.commands.calling import PROMPT, mistake
from understudy.cli import run_command
from understudy.provenance import read_record


def test_prompt_only_learns_nothing_and_draws(drawings: Path, toy_base: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    character = ["--name", "Mo", "--description", "a girl with red hair"]
    method = ["--method", "prompt-only", "--base", str(toy_base)]
    assert run_command(["learn", str(drawings), "--run", str(run), *character, *method]) == 0
    assert run_command(["draw", str(run), PROMPT, "--count", "1", "--steps", "1"]) == 0
    (picture,) = (run / "pictures").glob("*.png")
    assert read_record(picture)["prompt_as_read"] == "a picture of a girl with red hair waving"


@pytest.mark.usefixtures("untrained_judge")
@pytest.mark.parametrize(
    ("method", "knobs", "read"),
    [
        ("textual-inversion", "--preset paper --vectors 2", "a picture of <mo> waving"),
        ("dreambooth", "--preset thesis --prior-pictures 2 --prior-steps 1", PROMPT),
        ("dreambooth", "--text-learning-rate 1e-5 --prior-pictures 2 --prior-steps 1", PROMPT),
        ("dreambooth-lora", "--vectors 2 --prior-weight 0 --rank 2", "a picture of <mo> waving"),
    ],
)
def test_a_method_learns_draws_is_judged_and_reported(
    method: str, knobs: str, read: str, drawings: Path, toy_base: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    learn = ["learn", str(drawings), "--name", "Mo", "--noun", "girl", "--run", str(run), "--method", method]
    toy = ["--base", str(toy_base), "--steps", "2", "--batch", "2", "--views", "2", *knobs.split()]
    assert run_command([*learn, *toy]) == 0
    assert run_command(["draw", str(run), PROMPT, "--count", "1", "--steps", "1"]) == 0
    (picture,) = (run / "pictures").glob("*.png")
    assert read_record(picture)["prompt_as_read"] == read
    Image.new("L", (48, 64), "white").save(tmp_path / "mask.png")
    redraw = ["redraw", str(run), str(drawings / "0.png"), PROMPT, "--mask", str(tmp_path / "mask.png")]
    assert run_command([*redraw, "--steps", "2"]) == 0
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a picture of {name} waving\n")
    assert run_command(["judge", str(run), "--prompts", str(prompts), "--count", "1"]) == 0
    assert "drift" in json.loads((run / "judged.json").read_text())
    assert run_command(["report", str(run)]) == 0
    assert f"method = &#34;{method}&#34;" in (run / "report.html").read_text()


@pytest.mark.usefixtures("untrained_judge")
def test_a_base_that_is_shown_drawings_draws_is_judged_and_reported(drawings: Path, tmp_path: Path) -> None:
    run, klein = tmp_path / "run", make_toy_flux2(tmp_path / "klein")
    learn = ["learn", str(drawings), "--name", "Mo", "--noun", "girl", "--run", str(run)]
    assert run_command([*learn, "--method", "reference", "--base", str(klein), "--max-references", "2"]) == 0
    assert run_command(["draw", str(run), PROMPT, "--count", "1", "--steps", "1"]) == 0
    assert run_command(["draw", str(run), PROMPT, "--count", "1", "--steps", "1", "--references", "1"]) == 0
    records = [read_record(picture) for picture in (run / "pictures").glob("*.png")]
    assert sorted(record["references"].count(".png") for record in records) == [1, 2]
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a picture of {name} waving\n")
    assert run_command(["judge", str(run), "--prompts", str(prompts), "--count", "1"]) == 0
    assert json.loads((run / "judged.json").read_text())["drift"]["value"] == pytest.approx(0, abs=1e-5)
    assert run_command(["report", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert "is shown 2 drawings beside each prompt" in page
    assert "This method learns nothing" in page


def test_showing_drawings_to_a_base_that_cannot_look_is_a_mistake(
    drawings: Path, toy_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    learn: list[str | Path] = ["learn", drawings, "--name", "Mo", "--run", run, "--method", "reference"]
    assert "FLUX.2 klein" in mistake(capsys, *learn, "--base", toy_base)
    assert "FLUX.2 klein" in mistake(capsys, *learn)
    assert not run.exists()


def test_mistakes_with_words_and_whole_denoisers(
    drawings: Path, toy_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    given: list[str | Path] = [drawings, "--name", "Mo", "--base", toy_base, "--run", run, "--method"]
    inversion, whole = [*given, "textual-inversion"], [*given, "dreambooth"]
    assert "vectors" in mistake(capsys, "learn", *inversion, "--vectors", "0")
    assert "class pictures" in mistake(capsys, "learn", *inversion, "--prior-weight", "1")
    assert "no --rank" in mistake(capsys, "learn", *inversion, "--rank", "4")
    assert "take one of paper" in mistake(capsys, "learn", *inversion, "--preset", "thesis")
    assert "no --vectors" in mistake(capsys, "learn", *whole, "--vectors", "2")
    assert "save_as" in mistake(capsys, "learn", *whole, "--save-as", "zip")
    assert not run.exists()
    assert "--initial" in mistake(capsys, "learn", *inversion, "--initial", " ")


@pytest.mark.usefixtures("untrained_judge")
def test_a_method_without_a_base_learns_draws_and_is_judged(
    drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    learn = ["learn", str(drawings), "--name", "Mo", "--run", str(run), "--method", "gan"]
    assert "few-shot" in mistake(capsys, *learn, "--preset", "thesis")
    assert "no --base" in mistake(capsys, *learn, "--base", "puppet")
    assert "size_px" in mistake(capsys, *learn, "--size-px", "48")
    assert not run.exists()
    toy = ["--preset", "dcgan", "--size-px", "32", "--channels", "8", "--steps", "2", "--batch", "2"]
    assert run_command([*learn, *toy]) == 0
    assert 'network = "dcgan"' in (run / "recipe.toml").read_text()
    assert run_command(["draw", str(run), PROMPT, "--count", "1"]) == 0
    (picture,) = (run / "pictures").glob("*.png")
    assert read_record(picture)["follows_text"] == "no"
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a picture of {name} waving\n")
    capsys.readouterr()
    assert run_command(["judge", str(run), "--prompts", str(prompts), "--count", "1"]) == 0
    assert "ignore" in capsys.readouterr().out
    judged = json.loads((run / "judged.json").read_text())
    assert "copying" in judged
    assert "drift" not in judged
    assert "32 x 32" in mistake(capsys, "draw", run, PROMPT, "--width", "64")
