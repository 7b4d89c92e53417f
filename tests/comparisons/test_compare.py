"""A comparison is worked through on a toy base: resumed, changed, failing in a row, and read back."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.comparisons.asking import BROKEN, GAN, LORA, PROMPT_ONLY, PROMPTS, Ask, count_drawn, rows_of, run
from tests.reports.reading_pages import read_page
from understudy.comparisons.compare import compare
from understudy.domain import UserError
from understudy.events import Cancelled, Event, Note, Step
from understudy.judges import puppet
from understudy.methods.learned_decoder import DECODER_FILE
from understudy.provenance import read_record
from understudy.runs import LOCK_FILE, locked


@pytest.mark.usefixtures("untrained_judge")
def test_every_row_is_learned_drawn_judged_and_shown(ask: Ask, tmp_path: Path) -> None:
    out = tmp_path / "out"
    events: list[Event] = []
    compared = run(ask(LORA, PROMPT_ONLY, GAN, BROKEN, top="drift = true\nanimate = true"), out, events)

    # The plan comes first, and the broken row takes nobody with it.
    first = next(event for event in events if isinstance(event, Note))
    assert first.text.startswith("4 rows for 2 characters: 10 runs to learn, 0 of them")
    assert [sentence.split(":")[0] for sentence in compared.failed] == [
        "pip, broken, learning seed 0",
        "mo, broken, learning seed 0",
    ]
    assert "cannot be loaded" in compared.failed[0]
    assert [line.label for line in compared.lines] == [
        "dreambooth-lora, step 2",
        "dreambooth-lora, step 4",
        "prompt-only",
        "two players",
        "broken",
    ]
    assert [line.n for line in compared.lines] == [8, 8, 8, 16, 0]
    assert count_drawn(events) == 40

    # A row for each picture, and each picture lies where it says.
    pictures = rows_of(out / "pictures.csv")
    assert len(pictures) == len({one["file"] for one in pictures}) == 40
    for one in pictures:
        record = read_record(out / one["file"])
        assert (record["prompt"], record["seed"]) == (one["prompt"], one["drawing_seed"])
        if one["at_step"]:
            assert record["learned_steps"] == one["at_step"]
    assert {one["learning_seed"] for one in pictures if one["row"] == "two players"} == {"0", "1"}
    players = [one for one in pictures if one["method"] == "gan"]
    assert {(one["words_ignored"], one["followed"], one["mood_right"]) for one in players} == {("1", "", "")}
    asked = {(one["prompt"], bool(one["mood_right"])) for one in pictures if one["method"] == "prompt-only"}
    assert ("a picture of Pip sad", True) in asked
    assert ("a picture of Pip waving", False) in asked

    # A row for each run and line, with what it cost.
    runs = rows_of(out / "runs.csv")
    assert len(runs) == 12
    costs = {(one["line"], bool(one["seconds"])) for one in runs}
    assert {
        ("dreambooth-lora, step 2", False),
        ("dreambooth-lora, step 4", True),
        ("broken", False),
    } <= costs
    assert all((out / one["folder"] / "recipe.toml").exists() for one in runs if one["line"] != "broken")
    by_line = {one["line"]: one for one in runs}
    assert by_line["prompt-only"]["checkpoint_bytes"] == "0"
    assert float(by_line["prompt-only"]["drift"]) == pytest.approx(0, abs=1e-5)
    assert by_line["two players"]["drift"] == by_line["two players"]["following"] == ""
    assert by_line["two players"]["energy_is"] in {"estimated", "measured"}
    assert "cannot be loaded" in by_line["broken"]["failed"]
    losses = {one["loss"] for one in rows_of(out / "losses.csv") if one["row"] == "two players"}
    assert {"drawing loss", "telling loss"} <= losses
    assert {one["clusters"] for one in rows_of(out / "differences.csv")} == {"2"}

    # The page needs nothing from outside.
    page = read_page(compared.page.read_text())
    assert "Master's thesis, Barcelona School of Economics, 2024" in page.text
    assert "not judged" in page.text
    assert "no figures" in page.text
    shown = [alt for alt, _ in page.images]
    assert sum(alt.startswith("two players, Pip waving: ") for alt in shown) == 1
    assert sum(alt.startswith("Drawing: ") for alt in shown) == 6
    assert sum(alt.startswith("Loss by step: ") for alt in shown) == 1
    for name in ("pip", "mo"):
        assert np.asarray(Image.open(out / "sheets" / f"{name}.png")).ndim == 3
        assert Image.open(out / "sheets" / f"{name}.webp").n_frames == 5
    assert "| broken | no figures |" in (out / "table.md").read_text()
    assert r"\toprule" in (out / "table.tex").read_text()

    # Nothing finished is done again.
    again: list[Event] = []
    assert run(ask(LORA, PROMPT_ONLY, GAN, BROKEN, top="drift = true\nanimate = true"), out, again)
    assert {event.phase for event in again if isinstance(event, Step)} == {"comparing", "writing the page"}


@pytest.mark.usefixtures("untrained_judge")
@pytest.mark.parametrize("stop_after", [1, 5, 11])
def test_a_stopped_comparison_goes_on_and_draws_nothing_twice(
    ask: Ask, tmp_path: Path, stop_after: int
) -> None:
    path, out = ask(LORA, PROMPT_ONLY, names=["Pip"]), tmp_path / "out"
    events: list[Event] = []

    def stop(event: Event) -> None:
        events.append(event)
        if count_drawn(events) == stop_after:
            raise Cancelled

    with pytest.raises(Cancelled):
        compare(path, out, stop, device="cpu", apart=False)
    before = {file: file.read_bytes() for file in out.rglob("pictures/*.png")}
    assert len(before) == stop_after
    later: list[Event] = []
    compared = run(path, out, later)
    assert count_drawn(later) == 12 - stop_after
    assert all(file.read_bytes() == content for file, content in before.items())
    assert compared.failed == ()
    assert sum(line.n for line in compared.lines) == 12


@pytest.mark.usefixtures("untrained_judge")
def test_a_changed_file_adds_what_is_new_and_names_what_is_left(ask: Ask, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(ask(LORA, PROMPT_ONLY, names=["Pip"], top="drift = true"), out)
    drawn = set(out.rglob("pictures/*.png"))
    more = [*PROMPTS, "a picture of {name} running"]
    events: list[Event] = []
    changed = LORA.replace("[2, 4]", "[4]")
    compared = run(ask(changed, names=["Pip"], prompts=more, top="drift = true"), out, events)
    assert count_drawn(events) == 2
    phases = {event.phase for event in events if isinstance(event, Step)}
    assert phases.isdisjoint({"learning", "judging drift"})
    plan = next(event.text for event in events if isinstance(event, Note))
    assert "No longer asked for, and left as it is" in plan
    assert "runs/pip/prompt-only-" in plan
    assert "judged-at-000002" in plan
    assert drawn < set(out.rglob("pictures/*.png"))
    assert [line.n for line in compared.lines] == [6]
    assert "drift" in compared.lines[0].means
    assert "No longer asked for" in read_page(compared.page.read_text()).text


@pytest.mark.usefixtures("untrained_judge")
def test_what_a_release_with_fewer_knobs_learned_is_known_again(ask: Ask, tmp_path: Path) -> None:
    out, path = tmp_path / "out", ask(PROMPT_ONLY, names=("Pip",))
    run(path, out)
    (folder,) = (out / "runs" / "pip").iterdir()
    recipe = folder / "recipe.toml"
    lines = recipe.read_text().splitlines(keepends=True)
    recipe.write_text("".join(line for line in lines if not line.startswith("trial_steps")))
    assert len(recipe.read_text()) < sum(map(len, lines))
    older = folder.rename(folder.with_name("prompt-only-seed-0-abcdef"))
    events: list[Event] = []
    run(path, out, events)
    assert count_drawn(events) == 0
    assert list((out / "runs" / "pip").iterdir()) == [older]

    # Another knob is another run still.
    run(ask(PROMPT_ONLY.replace("a creature", "a girl"), names=("Pip",)), out, events)
    assert count_drawn(events) == 4
    assert len(list((out / "runs" / "pip").iterdir())) == 2


@pytest.mark.usefixtures("untrained_judge")
def test_another_judge_judges_again_what_was_drawn(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = ask(PROMPT_ONLY, names=["Pip"]), tmp_path / "out"
    run(path, out)
    later = tmp_path / "later"
    shutil.copytree(tmp_path / "judge", later)
    weights = load_file(later / puppet.WEIGHTS_FILE)
    save_file({name: tensor + 0.01 for name, tensor in weights.items()}, later / puppet.WEIGHTS_FILE)
    monkeypatch.setattr(puppet, "ASSETS", later)
    events: list[Event] = []
    run(path, out, events)
    assert count_drawn(events) == 0
    assert "judging" in {event.phase for event in events if isinstance(event, Step)}


@pytest.mark.usefixtures("untrained_judge")
def test_another_decoder_draws_and_judges_again(ask: Ask, tmp_path: Path) -> None:
    row = LORA.replace("steps = 4,", "steps = 4, decoder_share = 0.5,").replace("at_steps = [2, 4]\n", "")
    path, out = ask(row, names=["Pip"]), tmp_path / "out"
    run(path, out)
    (file,) = out.rglob(DECODER_FILE)
    save_file({name: tensor + 0.01 for name, tensor in load_file(file).items()}, file)
    events: list[Event] = []
    run(path, out, events)
    assert count_drawn(events) == 4


def test_one_run_serves_many_ways_of_drawing(ask: Ask, tmp_path: Path, untrained_judge: None) -> None:
    events: list[Event] = []
    row = f"{PROMPT_ONLY}draw_steps = [1, 2]\n"
    compared = run(ask(row, names=["Pip"]), tmp_path / "out", events)
    assert [line.label for line in compared.lines] == ["prompt-only, drawn in 1", "prompt-only, drawn in 2"]
    assert len(list((tmp_path / "out" / "runs").glob("*/*/run.json"))) == 1
    steps = [
        read_record(tmp_path / "out" / one["file"])["steps"] for one in rows_of(tmp_path / "out/pictures.csv")
    ]
    assert steps == ["1"] * 4 + ["2"] * 4


def test_other_folders_and_busy_ones_are_left_alone(ask: Ask, tmp_path: Path) -> None:
    path = ask(PROMPT_ONLY)
    with pytest.raises(UserError, match="holds other files"):
        run(path, tmp_path / "pip")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "comparison.json").write_text("{}")
    with locked(tmp_path / "out" / LOCK_FILE), pytest.raises(UserError, match="Another process"):
        run(path, tmp_path / "out")
