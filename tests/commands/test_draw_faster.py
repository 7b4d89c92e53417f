"""Drawing faster from the command line: what stands in a picture's record, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants
from PIL import Image

from tests.bases.few_steps import make_few_step
from tests.commands.calling import PROMPT, mistake
from tests.fake_hub import FakeHub, serving
from understudy.bases import opening
from understudy.bases.fetching import adapters
from understudy.bases.fetching.adapters import fetch_file
from understudy.bases.few_step import find_few_step
from understudy.bases.opening import open_base
from understudy.cli import run_command
from understudy.domain import UserError
from understudy.hub import Hub
from understudy.methods import hastening
from understudy.provenance import read_record
from understudy.runs import Plan

OF_FASTER = {"fast", "fast_source", "fast_sha256", "cache", "quantization", "fused", "compiled"}


@pytest.fixture(scope="module")
def few_step(toy_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = open_base(toy_base, Plan(device="cpu", precision="fp32", threads=1))
    return make_few_step(base, tmp_path_factory.mktemp("few") / "mine.safetensors")


def draw(run: Path, out: Path, *arguments: str | Path) -> tuple[Path, dict[str, str]]:
    """One picture and its record."""
    asked = ["draw", str(run), PROMPT, "--count", "1", "--out", str(out), *map(str, arguments)]
    assert run_command(asked) == 0
    (path,) = out.glob("*.png")
    return path, read_record(path)


def test_without_it_records_say_nothing_of_it(run: Path, tmp_path: Path) -> None:
    _, record = draw(run, tmp_path / "out", "--steps", "1")
    assert not OF_FASTER & record.keys()


def test_a_few_step_lora_brings_its_steps_and_guidance_unless_others_are_given(
    run: Path, few_step: Path, tmp_path: Path
) -> None:
    path, record = draw(run, tmp_path / "own", "--fast", few_step)
    assert (record["steps"], record["guidance"], record["fast"]) == ("8", "1.0", "mine")
    assert OF_FASTER & record.keys() == {"fast", "fast_source", "fast_sha256"}
    other, given = draw(run, tmp_path / "given", "--fast", few_step, "--steps", "2", "--scheduler", "euler")
    assert (given["steps"], given["guidance"], given["scheduler"]) == ("2", "1.0", "euler")
    assert path.read_bytes() != other.read_bytes()


def test_one_by_name_is_the_tables_and_is_kept_where_bases_are(
    run: Path, few_step: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = find_few_step("lcm", "elsewhere", "sd1", None)
    with serving(FakeHub({row.repository: {row.file: few_step.read_bytes()}})) as served:
        fetch_file(row.repository, row.file, hub=Hub(served.url, tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    _, record = draw(run, tmp_path / "out", "--fast", "lcm")
    assert (record["steps"], record["guidance"], record["scheduler"]) == ("4", "1.0", "LCMScheduler")
    assert record["fast_licence"] == "CreativeML Open RAIL++-M"
    assert record["fast_source"] == "latent-consistency/lcm-lora-sdv1-5/pytorch_lora_weights.safetensors"


def test_one_that_cannot_be_had_is_said_before_the_base_is_opened(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*asked: object) -> None:
        raise UserError("The Hub cannot be reached.")

    monkeypatch.setattr(adapters, "list_files", fail)
    monkeypatch.setattr(opening, "_load", lambda *asked: pytest.fail("it was opened"))
    assert "The Hub cannot be reached." in mistake(capsys, "draw", run, PROMPT, "--fast", "lcm")


def test_a_quantised_base_takes_no_lora_into_its_weights(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package that quantises is only said to be there: asked is what it would be told."""
    told: list[object] = []

    def configure(*asked: object) -> None:
        told.append(asked[:3])

    monkeypatch.setattr(hastening, "find_usable", lambda device: frozenset({"quanto"}))
    monkeypatch.setattr(opening, "configure", configure)
    path, record = draw(run, tmp_path / "int8", "--quantization", "int8", "--steps", "2")
    assert told == [("int8", "quanto", "unet")]
    assert record["quantization"] == "int8 by quanto"
    beside, unfused = draw(run, tmp_path / "beside", "--no-fuse", "--steps", "2")
    assert unfused["fused"] == "no"
    assert pixels(path) == pixels(beside)


@pytest.mark.usefixtures("untrained_judge")
def test_the_judge_draws_with_it_too(run: Path, few_step: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text(PROMPT)
    before = set((run / "pictures").glob("*.png"))
    arguments = ["--prompts", str(tmp_path / "prompts.txt"), "--count", "1", "--no-drift"]
    assert run_command(["judge", str(run), *arguments, "--fast", str(few_step)]) == 0
    (path,) = set((run / "pictures").glob("*.png")) - before
    assert read_record(path)["fast"] == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--fast turbo", "no few-step LoRA 'turbo' for this base: take lcm or hyper"),
        ("--fast gone.safetensors", "There is no file gone.safetensors"),
        ("--cache first-block", "U-Net: take --cache taylor, or leave --cache out"),
        ("--cache taylor --scheduler heun", "taylor cannot foretell heun"),
        ("--cache all", "cache: Input should be 'none', 'first-block' or 'taylor'"),
        ("--quantization nf4", "need a graphics card and the package bitsandbytes"),
        ("--quantization int8 --fuse", "nothing is added to quantised weights"),
        ("--compile", "leave --compile out"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    run: Path, arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in mistake(capsys, "draw", run, PROMPT, *arguments.split())


def test_experts_options_stand_apart(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("draw", "redraw", "sheet", "judge"):
        capsys.readouterr()
        assert run_command([verb, "--help"]) == 0
        usual, _, experts = capsys.readouterr().out.partition("For experts, to draw faster")
        assert all(f"--{name}" in experts for name in ("fast", "cache", "quantization", "fuse", "compile"))
        assert "--fast" not in usual


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.tobytes()
