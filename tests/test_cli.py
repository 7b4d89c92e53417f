"""Every verb end to end in a temporary folder, and every mistake in one sentence."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from understudy.cli import run_command
from understudy.domain import Attributes
from understudy.provenance import read_record, write_picture
from understudy.recipes import DrawSettings
from understudy.world.heroes import hero, oracle

PROMPT = "a picture of Mo waving"


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawings")
    for number, colour in enumerate(("red", "green", "blue")):
        image = Image.new("RGB", (48, 64), "white")
        image.paste(colour, (12, 12, 36, 52))
        image.save(folder / f"{number}.png")
    (folder / "captions.csv").write_text("file,caption\n0.png,waving\n")
    return folder


def learn_arguments(drawings: Path, base: Path, run: Path, steps: int = 2) -> list[str]:
    toy = "--prior-pictures 2 --prior-steps 1 --batch 2 --rank 2 --views 2 --snapshot-every 100"
    return [
        *("learn", str(drawings), "--name", "Mo", "--noun", "girl", "--run", str(run)),
        *("--base", str(base), "--steps", str(steps), *toy.split()),
    ]


@pytest.fixture(scope="module")
def run(drawings: Path, toy_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mo"
    assert run_command(learn_arguments(drawings, toy_base, folder)) == 0
    return folder


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Run a command that must fail, and return its one sentence."""
    capsys.readouterr()
    assert run_command([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("understudy: ")
    assert err.count("\n") == 1
    return err


# ---------------------------------------------------------------- verbs


def test_sweep_learns_every_combination(
    drawings: Path, toy_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learn = learn_arguments(drawings, toy_base, tmp_path, steps=1)
    place = learn.index("--run")
    swept = [*("sweep", *learn[1:place], "--out", str(tmp_path / "all"), *learn[place + 2 :])]
    axes = ("--set", "learning_rate=1e-4,1e-3", "--set", "targets=attention,attention+time")
    assert run_command([*swept, *axes]) == 0
    names = capsys.readouterr().out.splitlines()
    assert [Path(name).name for name in names] == [
        f"learning_rate={rate},targets={targets}"
        for rate in ("1e-4", "1e-3")
        for targets in ("attention", "attention+time")
    ]
    assert 'targets = ["attention", "time"]' in (Path(names[1]) / "recipe.toml").read_text()
    assert all((Path(name) / "checkpoints" / "000001").is_dir() for name in names)
    for wrong, what in (("rank", "no knob with values"), ("rank=a", "rank"), ("colour=1", "colour")):
        assert what in mistake(capsys, *swept, "--set", wrong)


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; from understudy.cli import run_command; run_command(['--help']); "
        "print(sorted({'torch', 'diffusers', 'transformers', 'pydantic', 'cv2', 'rich'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_help_lists_the_verbs_in_the_order_of_the_work_and_cuts_no_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run_command(["--help"]) == 0
    text = capsys.readouterr().out
    lines = text.partition("Commands:\n")[2].splitlines()
    verbs = ["describe", "learn", "draw", "redraw", "flatten", "cut-out", "sheet", "judge", "report"]
    verbs += ["export", "compare", "sweep", "hero", "demo"]
    assert [line.split()[0] for line in lines] == verbs
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)


def test_help_of_learn_says_what_the_recipes_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["learn", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--learning-rate NUMBER The learning rate of Adam" in text
    assert "--rank INTEGER" in text
    assert "--flips / --no-flips" in text
    places = [text.index(said) for said in ("--run PATH", "Usual knobs:", "--steps INTEGER", "For experts")]
    assert places == sorted(places)
    assert text.index("--rank INTEGER") > places[-1]


def test_help_of_draw_says_what_the_settings_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["draw", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"beyond 50 nothing improves. [default: {DrawSettings().steps}]" in text
    assert f"[default: {DrawSettings().guidance}]" in text


def test_a_reader_that_leaves_is_no_mistake(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "understudy.cli", "hero", "3", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_learn_writes_a_run(run: Path, toy_base: Path) -> None:
    manifest = json.loads((run / "run.json").read_text())
    assert (manifest["name"], manifest["noun"], manifest["base"]) == ("Mo", "girl", str(toy_base))
    assert "rank = 2" in (run / "recipe.toml").read_text()
    assert sorted(path.name for path in (run / "drawings").iterdir()) == [
        "01.png",
        "02.png",
        "03.png",
        "captions.csv",
    ]


def test_learn_reads_the_rights_and_writes_what_it_cost(
    drawings: Path, toy_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(drawings, mine)
    (mine / "rights.toml").write_text('artist = "Zoe"\nlicence = "CC-BY-4.0"\n')
    arguments = learn_arguments(mine, toy_base, tmp_path / "run", steps=1)
    assert run_command([*arguments, "--grid-intensity", "0"]) == 0
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["rights"]["artist"] == "Zoe"
    assert manifest["rights"]["scope"] == "not stated"
    cost = json.loads((tmp_path / "run" / "footprint.json").read_text())
    assert cost["co2e_g"] == 0 < cost["energy_wh"]
    (mine / "rights.toml").write_text('artist = "Zoe"\nlicense = "CC-BY-4.0"\n')
    assert "license" in mistake(capsys, *arguments)


def test_the_same_command_goes_on(drawings: Path, toy_base: Path, run: Path) -> None:
    assert run_command(learn_arguments(drawings, toy_base, run, steps=2)) == 0
    assert run_command(learn_arguments(drawings, toy_base, run, steps=3)) == 0
    assert "steps = 3" in (run / "recipe.toml").read_text()


def test_draw_writes_marked_pictures_and_the_same_again(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = []
    for folder in ("first", "second"):
        capsys.readouterr()
        arguments = ["draw", str(run), PROMPT, "--count", "2", "--seed", "5", "--steps", "2"]
        assert run_command([*arguments, "--out", str(tmp_path / folder)]) == 0
        paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
        assert len(paths) == 2
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]
    assert contents[0][0] != contents[0][1]
    record = read_record(paths[1])
    assert (record["prompt"], record["seed"], record["steps"], record["character"]) == (
        PROMPT,
        "6",
        "2",
        "Mo",
    )
    assert json.loads(paths[1].with_suffix(".json").read_text())["weights_sha256"] == record["weights_sha256"]


def test_a_picture_does_not_depend_on_its_batch(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = []
    for seed, count in ((0, 3), (2, 1)):
        capsys.readouterr()
        arguments = ["--seed", str(seed), "--count", str(count), "--steps", "2"]
        assert run_command(["draw", str(run), PROMPT, *arguments, "--out", str(tmp_path / str(seed))]) == 0
        pictures.append(np.asarray(Image.open(capsys.readouterr().out.splitlines()[-1])).astype(float))
    assert np.abs(pictures[0] - pictures[1]).mean() <= 1


def test_draw_says_when_the_prompt_leaves_the_character_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for prompt, is_left_out in (("a picture of Momo", True), ("MO, waving", False)):
        capsys.readouterr()
        arguments = ["--count", "1", "--steps", "1", "--out", str(tmp_path)]
        assert run_command(["draw", str(run), prompt, *arguments]) == 0
        assert ("does not say Mo" in capsys.readouterr().err) == is_left_out


@pytest.mark.usefixtures("untrained_judge")
def test_draw_takes_a_file_a_sketch_and_a_grid_and_keeps_the_best(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompts.txt").write_text("# mine\na picture of {name} waving\na picture of Mo sad\n")
    Image.new("RGB", (80, 80), "red").save(tmp_path / "pose.png")
    arguments = ["draw", str(run), "--prompts", str(tmp_path / "prompts.txt"), "--steps", "2", "--cut-out"]
    arguments += ["--best", "1", "--of", "2", "--from", str(tmp_path / "pose.png"), "--strength", "0.5"]
    arguments += ["--grid", str(tmp_path / "grid.png"), "--scheduler", "ddim", "--width", "40"]
    capsys.readouterr()
    assert run_command([*arguments, "--out", str(tmp_path / "out")]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name.endswith("-cut-out.png") for path in paths] == [False, False, True, True, False]
    records = [read_record(path) for path in paths[:4]]
    assert [record["prompt"] for record in records] == [PROMPT, "a picture of Mo sad"] * 2
    assert {record["scheduler"] for record in records} == {"ddim"}
    assert {(record["sketch"], record["strength"]) for record in records} == {("pose.png", "0.5")}
    assert {record["picked"] for record in records} == {"1 of 2"}
    assert Image.open(paths[0]).size == (40, 32)
    assert Image.open(paths[2]).mode == "RGBA"
    assert paths[4] == tmp_path / "grid.png"
    assert len(list((tmp_path / "out" / "others").glob("*.png"))) == 2


def test_flat_pictures_lie_beside_the_drawn_ones(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = oracle(hero(31), Attributes(mood="laughing"), 3).pixels
    record = {"prompt": PROMPT, "seed": "3", "negative": ""}
    write_picture(tmp_path / "a.png", pixels, record)
    write_picture(tmp_path / "b.png", np.full_like(pixels, 255), record)
    capsys.readouterr()
    assert run_command(["flatten", str(run), str(tmp_path / "a.png"), str(tmp_path / "b.png")]) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'a-flat.png'}\n"
    assert "No figure is found in b.png" in said.err
    assert read_record(tmp_path / "a-flat.png") == {**read_record(tmp_path / "a.png"), "flattened": "yes"}
    Image.fromarray(pixels).save(tmp_path / "mine.png")
    assert "carries no record" in mistake(capsys, "flatten", run, tmp_path / "mine.png")
    arguments = ["--count", "1", "--steps", "1", "--flat", "--cut-out", "--out", str(tmp_path / "out")]
    assert run_command(["draw", str(run), PROMPT, *arguments]) == 0
    endings = [line.rpartition("-")[2] for line in capsys.readouterr().out.splitlines()]
    assert endings[1:] in ([], ["flat.png", "out.png"])


def test_redraw_leaves_the_rest_alone(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = np.random.default_rng(0).integers(0, 256, (70, 60, 3), np.uint8)
    mask = np.zeros((70, 60), np.uint8)
    mask[10:30, 20:40] = 255
    Image.fromarray(before).save(tmp_path / "page.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    capsys.readouterr()
    arguments = ["--mask", str(tmp_path / "mask.png"), "--steps", "2", "--out", str(tmp_path / "out")]
    assert run_command(["redraw", str(run), str(tmp_path / "page.png"), PROMPT, *arguments]) == 0
    after = np.asarray(Image.open(capsys.readouterr().out.strip()))
    assert np.array_equal(after[mask == 0], before[mask == 0])
    assert not np.array_equal(after, before)


def test_cut_out_needs_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = Image.new("RGB", (80, 80), "white")
    image.paste("blue", (10, 10, 30, 30))
    image.save(tmp_path / "mine.png")
    assert run_command(["cut-out", str(tmp_path / "mine.png")]) == 0
    cut = Image.open(capsys.readouterr().out.strip())
    assert cut.getpixel((20, 20)) == (0, 0, 255, 255)
    assert cut.getpixel((2, 2))[3] == 0
    assert "machine" not in str(cut.info)


def test_sheet_writes_a_pdf_and_a_picture(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run_command(["sheet", str(run), "--out", str(tmp_path), "--of", "1", "--steps", "1"]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in paths] == ["mo-sheet.pdf", "mo-sheet.png"]
    assert paths[0].read_bytes().startswith(b"%PDF")


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


def test_mistakes_with_words_and_whole_denoisers(
    drawings: Path, toy_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [drawings, "--name", "Mo", "--base", toy_base, "--run", tmp_path / "run", "--method"]
    inversion, whole = [*given, "textual-inversion"], [*given, "dreambooth"]
    assert "vectors" in mistake(capsys, "learn", *inversion, "--vectors", "0")
    assert "class pictures" in mistake(capsys, "learn", *inversion, "--prior-weight", "1")
    assert "no --rank" in mistake(capsys, "learn", *inversion, "--rank", "4")
    assert "take one of paper" in mistake(capsys, "learn", *inversion, "--preset", "thesis")
    assert "no --vectors" in mistake(capsys, "learn", *whole, "--vectors", "2")
    assert "save_as" in mistake(capsys, "learn", *whole, "--save-as", "zip")
    assert not (tmp_path / "run").exists()
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


@pytest.mark.usefixtures("untrained_judge")
def test_judge_prints_only_json(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a picture of {name} waving\na picture of {name} playing tennis\n")
    capsys.readouterr()
    assert run_command(["judge", str(run), "--prompts", str(prompts), "--count", "2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {"quality_ratio", "low", "high", "n", "same_character", "attributes"} <= figures.keys()
    assert figures["n"] == 4
    assert 0 <= figures["low"] <= figures["quality_ratio"] <= figures["high"] <= 1
    assert figures["by_prompt"]["a picture of Mo playing tennis"] == 0
    assert sum(figures["not_judged"].values()) == 2
    judged = json.loads((run / "judged.json").read_text())
    assert {"copying", "diversity", "drift"} <= judged.keys()
    assert {name: figures[name] for name in judged} == judged


@pytest.mark.usefixtures("untrained_judge")
def test_judge_says_what_it_cannot_judge(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a picture of {name} playing tennis\n")
    capsys.readouterr()
    assert run_command(["judge", str(run), "--prompts", str(prompts), "--count", "1", "--no-drift"]) == 0
    text, err = capsys.readouterr()
    assert err.endswith(f"See them on a page: understudy report {run}\n")
    assert text.startswith("0% of 1 pictures pass")
    assert "Not judged" in text
    assert "1 pictures show a drawing's figure again" in text
    assert "drift" not in json.loads((run / "judged.json").read_text())
    assert "tennis" in text


def test_describe_prints_what_the_drawings_are_like(
    drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run_command(["describe", str(drawings), "--out", str(tmp_path / "described")]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err.endswith(f"Learn them: understudy learn {drawings} --name NAME --run RUN\n")
    assert lines[0].startswith("3 drawings, 48 x 64 pixels")
    assert all(colour in lines[1] for colour in ("#ff0000", "#008000", "#0000ff"))
    assert [Path(line).name for line in lines[-3:]] == ["description.html", "grid.png", "description.json"]
    assert run_command(["describe", str(drawings), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "described" / "description.json").read_text())
    assert "plaid" in mistake(capsys, "describe", drawings, "--paper", "plaid")
    assert "themselves" in mistake(capsys, "describe", drawings, "--out", drawings)
    assert "no folder" in mistake(capsys, "describe", tmp_path / "missing")


def test_describe_lays_transparent_drawings_on_the_paper_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((0, 0, 255, 255), (16, 16, 48, 48))
    image.save(tmp_path / "mo.png")
    capsys.readouterr()
    assert run_command(["describe", str(tmp_path), "--paper", "#ffe0c0", "--json"]) == 0
    (figures,) = json.loads(capsys.readouterr().out)["drawings"]
    assert figures["paper"] == [255, 224, 192]


def test_report_writes_a_page(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run_command(["report", str(run)]) == 0
    assert Path(capsys.readouterr().out.strip()) == run / "report.html"
    assert run_command(["report", str(run), "--out", str(tmp_path / "mo.html")]) == 0
    assert (tmp_path / "mo.html").read_bytes() == (run / "report.html").read_bytes()
    assert "no run" in mistake(capsys, "report", tmp_path)


def test_hero_writes_six_drawings_that_can_be_read(tmp_path: Path) -> None:
    from understudy.drawings.read import read_character

    assert run_command(["hero", "3", "--out", str(tmp_path / "a")]) == 0
    assert run_command(["hero", "3", "--out", str(tmp_path / "b")]) == 0
    assert run_command(["hero", "4", "--out", str(tmp_path / "c")]) == 0
    first, same, other = (read_character(tmp_path / folder, "Mo") for folder in "abc")
    assert len(first.drawings) == 6
    assert all(drawing.caption for drawing in first.drawings)
    for one, two in zip(first.drawings, same.drawings, strict=True):
        assert (one.pixels == two.pixels).all()
    assert any(
        (one.pixels != two.pixels).any() for one, two in zip(first.drawings, other.drawings, strict=True)
    )


def test_hero_draws_the_truth_of_a_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    scene = "a picture of a girl eating a sandwich in the woods"
    assert run_command(["hero", "3", "--out", str(tmp_path), "--scene", scene]) == 0
    (path,) = capsys.readouterr().out.splitlines()
    assert Path(path).parent == tmp_path
    assert Image.open(path).mode == "RGB"
    assert "'playing tennis'" in mistake(capsys, "hero", "3", "--out", tmp_path, "--scene", "playing tennis")
    assert "be praying" in mistake(capsys, "hero", "3", "--out", tmp_path, "--scene", "praying, back view")
    assert "running" in mistake(capsys, "hero", "3", "--out", tmp_path, "--scene", "portrait, running")
    assert "empty" in mistake(capsys, "hero", "3", "--out", tmp_path, "--scene", " ")
    assert run_command(["hero", "4", "--out", str(tmp_path), "--scene", scene]) == 0
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_hero_overwrites_nothing_of_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["hero", "3", "--out", str(tmp_path)]) == 0
    assert run_command(["hero", "3", "--out", str(tmp_path)]) == 0
    assert "another folder" in mistake(capsys, "hero", "4", "--out", tmp_path)
    (tmp_path / "captions.csv").write_text("file,caption\n")
    assert "captions.csv" in mistake(capsys, "hero", "3", "--out", tmp_path)
    assert (tmp_path / "captions.csv").read_text() == "file,caption\n"


def test_demo_makes_a_sheet_and_a_report(
    toy_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run_command(["demo", "--out", str(tmp_path), "--base", str(toy_base), "--steps", "1"]) == 0
    sheet, page = map(Path, capsys.readouterr().out.splitlines())
    assert sheet == tmp_path / "sheet.png"
    assert len(list(tmp_path.glob("run-*/pictures/*.png"))) == 12
    assert Image.open(sheet).size[0] > 1000
    assert [page] == list(tmp_path.glob("run-*/report.html"))
    text = page.read_text()
    assert text.count('alt="The truth"') == 12
    assert "12 new pictures pass" in text
    assert text.count("nearest drawing, ") == 12  # the judge's own, with its share


def test_ctrl_c_stops_with_one_sentence_and_the_same_command_goes_on(
    drawings: Path, toy_base: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = learn_arguments(drawings, toy_base, run, steps=60)
    command = [sys.executable, "-m", "understudy.cli", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("learning"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert "goes on" in rest.splitlines()[-1]
    assert run_command(arguments) == 0


def test_export_writes_a_file_and_says_what_other_tools_cannot(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run_command(["export", str(run), "--out", str(tmp_path / "mo.safetensors")]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(tmp_path / "mo.safetensors")]
    assert "ComfyUI and A1111 cannot open the base" in err
    assert "no run" in mistake(capsys, "export", tmp_path / "missing")
    assert "No weights of step 7" in mistake(capsys, "export", run, "--step", "7")
    assert "--format" in mistake(capsys, "export", run, "--format", "pickle")


# ---------------------------------------------------------------- mistakes


def test_mistakes_of_learn(
    drawings: Path, toy_base: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--name", "Mo", "--run", tmp_path / "run", "--base", toy_base]
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear Mo")
    assert "no folder" in mistake(capsys, "learn", tmp_path / "missing", *given)
    assert "no drawing" in mistake(capsys, "learn", tmp_path / "empty", *given)
    assert "--name" in mistake(capsys, "learn", drawings, "--run", tmp_path / "run")
    assert "empty" in mistake(capsys, "learn", drawings, *given, "--name", " ")
    for name in ("A", "Book", "the", "Mo\n", "kitten"):
        assert "another name" in mistake(capsys, "learn", drawings, *given, "--name", name)
    assert "steps" in mistake(capsys, "learn", drawings, *given, "--steps", "0")
    assert "learning_rate" in mistake(capsys, "learn", drawings, *given, "--learning-rate", "fast")
    assert "--rank" in mistake(capsys, "learn", drawings, *given, "--method", "prompt-only", "--rank", "4")
    assert "magic" in mistake(capsys, "learn", drawings, *given, "--method", "magic")
    assert "no base" in mistake(capsys, "learn", drawings, *given, "--base", tmp_path / "missing")
    assert "Stable Diffusion" in mistake(capsys, "learn", drawings, *given, "--base", drawings)
    assert "other files" in mistake(capsys, "learn", drawings, *given, "--run", tmp_path / "mine")
    assert not (tmp_path / "run").exists()


def test_a_run_refuses_another_recipe(
    drawings: Path, toy_base: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = learn_arguments(drawings, toy_base, run, steps=3)
    assert "rank" in mistake(capsys, *arguments, "--rank", "4")
    assert "name" in mistake(capsys, *arguments, "--name", "Jo")


def test_mistakes_of_the_other_verbs(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no run" in mistake(capsys, "draw", tmp_path / "missing", PROMPT)
    assert "either a PROMPT" in mistake(capsys, "draw", run)
    assert "guidance" in mistake(capsys, "draw", run, PROMPT, "--guidance", "0.5")
    assert "--count" in mistake(capsys, "draw", run, PROMPT, "--count", "0")
    assert "--count" in mistake(capsys, "draw", run, PROMPT, "--count", "10001")
    assert "1000" in mistake(capsys, "draw", run, PROMPT, "--steps", "1001")
    assert "--seed" in mistake(capsys, "draw", run, PROMPT, "--seed", str(2**32))
    assert "prompt is empty" in mistake(capsys, "draw", run, " ")
    assert "UTF-8" in mistake(capsys, "draw", run, "Mo \udcff")
    assert "multiples of 8" in mistake(capsys, "draw", run, PROMPT, "--width", "33")
    assert "width" in mistake(capsys, "draw", run, PROMPT, "--width", "100000")
    assert "scheduler" in mistake(capsys, "draw", run, PROMPT, "--scheduler", "magic")
    assert "pure noise" in mistake(capsys, "draw", run, PROMPT, "--scheduler", "heun")
    assert "--of" in mistake(capsys, "draw", run, PROMPT, "--count", "2", "--best", "1")
    assert "--best" in mistake(capsys, "draw", run, PROMPT, "--of", "3")
    assert "--from" in mistake(capsys, "draw", run, PROMPT, "--strength", "0.5")
    assert "missing.png" in mistake(capsys, "draw", run, PROMPT, "--from", tmp_path / "missing.png")
    assert "grid.png" in mistake(capsys, "draw", run, PROMPT, "--grid", tmp_path / "grid.jpg")
    assert "either" in mistake(capsys, "draw", run, PROMPT, "--prompts", tmp_path / "prompts.txt")
    assert "mask or the name" in mistake(capsys, "redraw", run, run / "drawings" / "01.png", PROMPT)
    assert "missing.png" in mistake(capsys, "redraw", run, tmp_path / "missing.png", PROMPT, "--part", "face")
    assert "missing.png" in mistake(capsys, "cut-out", tmp_path / "missing.png")
    assert "no run" in mistake(capsys, "sheet", tmp_path / "missing")
    assert "is a file" in mistake(capsys, "draw", run, PROMPT, "--steps", "1", "--out", run / "run.json")
    below_a_file = mistake(capsys, "draw", run, PROMPT, "--out", run / "run.json" / "sub")
    assert "Not a directory" in below_a_file
    assert "room" not in below_a_file
    assert "no run" in mistake(capsys, "judge", tmp_path / "missing", "--json")
    assert "cannot be read" in mistake(capsys, "judge", run, "--prompts", tmp_path / "missing.txt")
    assert "SEED" in mistake(capsys, "hero", "x", "--out", tmp_path)
    assert "--out" in mistake(capsys, "hero", "3")
    assert "No such command" in mistake(capsys, "paint")


def test_no_verb_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([]) == 2
    assert "Usage: understudy" in capsys.readouterr().err
