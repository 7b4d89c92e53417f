"""The benchmark for graphics cards, all of it on the processor with toys, beside a script like diffusers'."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import on_card
from benchmarks.card_process import find_last_words, find_notes
from benchmarks.card_results import JSON_FILE, TABLE_FILE, Result, Results, say_bars
from benchmarks.card_rows import CASES, ROWS, our_command, our_recipe, peer_command
from understudy.runs import Manifest, Plan, begin_run

GIB = 2**30
SCRIPT = """
import argparse, torch
from pathlib import Path
from PIL import Image
from torchvision import transforms
from torchvision.transforms.functional import crop

parser = argparse.ArgumentParser()
for name in ("resolution", "rank", "max_train_steps"):
    parser.add_argument(f"--{name}", type=int)
parser.add_argument("--instance_data_dir", type=Path)
parser.add_argument("--gradient_checkpointing", action="store_true")
args, _ = parser.parse_known_args()
resize = transforms.Resize(args.resolution, transforms.InterpolationMode.LANCZOS)
cut = transforms.RandomCrop(args.resolution)
finish = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])
pictures = []
for path in args.instance_data_dir.iterdir():
    image = resize(Image.open(path).convert("RGB"))
    top, left, height, width = cut.get_params(image, (args.resolution, args.resolution))
    pictures.append(finish(crop(image, top, left, height, width)))
layer = torch.nn.Linear(args.resolution, args.rank)
optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3)
for step in range(args.max_train_steps):
    layer(pictures[step % len(pictures)]).square().mean().backward()
    optimizer.step()
    if args.gradient_checkpointing:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
"""


def test_without_a_card_it_says_so_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert on_card.main(["--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"{on_card.NO_CARD}\n"
    assert not (tmp_path / "out").exists()


def read_rows(out: Path) -> dict[tuple[str, str], Result]:
    rows = [Result(**one) for one in json.loads((out / JSON_FILE).read_text())["rows"]]
    return {(one.case, one.row): one for one in rows}


def test_a_toy_goes_all_the_way_and_what_fails_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / CASES["SDXL"].script).write_text(SCRIPT)
    out = tmp_path / "out"
    asked = ["--scripts", str(tmp_path), "--out", str(out), "--toy", "--steps", "5", "--dropped", "2"]
    rows = ["diffusers-checkpointing", "ours", "diffusers"]
    assert on_card.main([*asked, "--bases", "SDXL", "--rows", *rows]) == 0
    found = read_rows(out)
    ours, peer = found["SDXL", "ours"], found["SDXL", "diffusers"]
    assert (ours.error, ours.steps, ours.plan) == ("", 5, "bf16")
    for one in (ours, peer):
        assert one.step_s is not None
        assert one.step_s > 0
        assert one.peak_gib is not None
        assert 0.1 < one.peak_gib < 4
    assert (peer.tensors, peer.weights) == (2, 16 * 32 + 16)
    assert ours.weights is not None
    assert ours.weights > 10_000
    failed = found["SDXL", "diffusers-checkpointing"]
    assert failed.error == "torch.OutOfMemoryError: CUDA out of memory."

    # The same call again does what is missing, and keeps what is there.
    assert on_card.main([*asked, "--bases", "KLEIN_4B", "--rows", "diffusers"]) == 0
    again = read_rows(out)
    assert {**found, ("KLEIN_4B", "diffusers"): again["KLEIN_4B", "diffusers"]} == again
    assert "train_dreambooth_lora_flux2_klein.py" in again["KLEIN_4B", "diffusers"].error
    table = (out / TABLE_FILE).read_text()
    assert capsys.readouterr().out.endswith(table)
    assert [line.partition(" |")[0] for line in table.splitlines() if line.startswith("| ")] == [
        *("|", "| ours", "| diffusers", "| diffusers-checkpointing", "|", "| diffusers"),
    ]


def test_no_row_begins_when_the_time_is_up(tmp_path: Path) -> None:
    asked = ["--out", str(tmp_path), "--toy", "--bases", "SDXL", "--rows", "ours", "--limit-s", "-1"]
    assert on_card.main([*asked]) == 0
    (one,) = read_rows(tmp_path).values()
    assert one.error.startswith("The time was up")


OURS = Result(
    "SDXL", "ours", "", 80, 0.1, 9.0, 9.0, 10.0, 11.0, 1000, 4, "bf16, compiled", "", 9.5, 9.0, 0.43
)
PEER = Result("SDXL", "diffusers", "", 80, 0.16, 12.0, weights=1000, tensors=4, matmul_share=0.3)


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        (OURS, "ours: 1.60 times the speed of diffusers in 0.75 of its memory (bar met"),
        (
            replace(OURS, step_s=0.12),
            "ours: 1.33 times the speed of diffusers in 0.75 of its memory (bar missed",
        ),
        (
            replace(OURS, peak_gib=12.6),
            "ours: 1.60 times the speed of diffusers in 1.05 of its memory (bar missed",
        ),
        (replace(OURS, weights=10), "bar met: 1.5 at no more memory); 10 weights learn, not 1000"),
        (OURS, "ours: 43.0% of the matmul rate (bar met"),
        (replace(OURS, matmul_share=0.39), "ours: 39.0% of the matmul rate (bar missed"),
        (OURS, "forecast: off by +5.6% at most, ours (bar met"),
        (replace(OURS, forecast_gib=8.0), "forecast: off by -11.1% at most, ours (bar missed"),
        (replace(OURS, row="ours-frugal", peak_gib=6.4), "frugal: 6.40 GiB (bar met: at most 6.5)"),
        (replace(OURS, row="ours-frugal", peak_gib=6.6), "frugal: 6.60 GiB (bar missed: at most 6.5)"),
    ],
)
def test_what_the_rows_say_of_the_bars(ours: Result, said: str) -> None:
    lines = list(say_bars("SDXL", {ours.row: ours, "diffusers": PEER}))
    assert any(said in line for line in lines), lines


def test_a_cards_figures_and_the_plans_forecast_are_read(tmp_path: Path) -> None:
    plan = Plan(device="cuda", precision="bf16", threads=1, checkpointing="whole", compiled=True)
    manifest = Manifest(
        name="Mo",
        noun="girl",
        drawings=(),
        plan=plan,
        forecast_bytes=5 * GIB,
        measured_bytes=6 * GIB,
        versions={},
    )
    with begin_run(tmp_path, our_recipe(tmp_path, 1024), manifest):
        pass
    card = {"ends": [0.0, 3.0, 3.25, 3.75], "peak": 7 * GIB, "steps_peak": 4 * GIB, "reserved": 8 * GIB}
    noted = {
        "ends": [9.0] * 4,
        "tensors": 2,
        "weights": 30,
        "peak_bytes": 0,
        "card": {**card, "used": 9 * GIB},
    }
    rate, operations = 4e12, 3 * 10**11
    found = on_card.read_result(ROWS["ours"], CASES["SDXL"], noted, tmp_path, 2, rate, operations)
    assert (found.steps, found.step_s) == (4, 0.375)
    assert (found.peak_gib, found.steps_peak_gib, found.reserved_gib, found.used_gib) == (7, 4, 8, 9)
    assert (found.plan, found.forecast_gib, found.dry_gib) == ("bf16, checkpointing whole, compiled", 5, 6)
    assert found.forecast_error == pytest.approx(5 / 7 - 1)
    assert found.matmul_share == pytest.approx(0.2)


def test_a_step_that_was_not_captured_is_no_captured_one() -> None:
    captured = replace(OURS, row="ours-captured", plan="bf16, its step captured as a CUDA graph")
    named = [
        captured,
        replace(captured, note="A step could not be captured as a CUDA graph (why): learning without."),
        replace(captured, plan="bf16"),
    ]
    told = [list(say_bars("SDXL", {"ours-captured": one, "diffusers": PEER})) for one in named]
    assert [bool(lines) for lines in told] == [True, False, False]


def test_rows_of_another_machine_are_not_taken_up(tmp_path: Path) -> None:
    settings = {"steps": 80, "dropped": 20, "toy": False}
    Results(tmp_path, settings, {"name": "a card"}).add(OURS)
    for machine, steps, kept in (("a card", 80, 1), ("another", 80, 0), ("a card", 60, 0)):
        results = Results(tmp_path, {**settings, "steps": steps}, {"name": machine})
        results.take_up()
        assert len(results.rows) == kept


def test_last_words_are_no_bar() -> None:
    said = "Traceback\nRuntimeError: no room. Ask for less.\nSteps:  10%|1 | 1/9 [00:01<00:06]\r\n"
    assert find_last_words(said) == "RuntimeError: no room."
    assert not find_last_words("\n")


def test_notes_are_of_what_was_asked_for_and_not_done(tmp_path: Path) -> None:
    log = tmp_path / "log"
    why = "No step is captured as a CUDA graph, because that did not fit."
    log.write_text(f"Learning on cuda in bf16, its step captured as a CUDA graph.\n{why}\n{why}\n")
    assert find_notes(log) == why


def test_all_rows_have_commands_of_equal_settings(tmp_path: Path) -> None:
    """What is the same on both sides, by what each side calls it."""
    named = {"--rank": "--rank", "--learning_rate": "--learning-rate", "--train_batch_size": "--batch"}
    named |= {"--resolution": "--resolution-px", "--mixed_precision": "--precision"}
    _, ours = our_command(ROWS["ours"], tmp_path, tmp_path, tmp_path, 1024)
    for case in CASES.values():
        _, peer = peer_command(ROWS["diffusers"], case, tmp_path, tmp_path, tmp_path, tmp_path, 1024, 80)
        for theirs, own in named.items():
            assert float_or_word(peer, theirs) == float_or_word(ours, own)


def float_or_word(options: list[str], name: str) -> object:
    word = options[options.index(name) + 1]
    return word if word == "bf16" else float(word)
