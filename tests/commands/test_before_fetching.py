"""What can be said of a base without its weights is said before tens of GB of them are fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.bases.toys import make_toy
from tests.commands.calling import mistake
from tests.fake_hub import FakeHub, serving
from tests.methods.pretended_card import MIB, pretend_card
from tests.toy_character import make_character, make_recipe
from understudy.bases.fetching import fetch
from understudy.cli import run_command
from understudy.domain import UserError
from understudy.events import Event, Note
from understudy.methods import learn
from understudy.methods.computing import learning_plans
from understudy.methods.computing.plans import Machine
from understudy.runs import Plan

SDXL, ZIMAGE, OTHER = "somebody/sdxl", "somebody/zimage", "somebody/another"
DEV, EDIT = "somebody/dev", "somebody/edit"


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    root = tmp_path_factory.mktemp("repositories")
    found = {
        name: {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
        for name, folder in (
            (SDXL, make_toy("sdxl", root / "sdxl")),
            (ZIMAGE, make_toy("zimage", root / "zimage")),
        )
    }
    index = json.loads(found[ZIMAGE]["model_index.json"])
    others = {OTHER: "CogView4Pipeline", DEV: "Flux2Pipeline", EDIT: "QwenImageEditPipeline"}
    for name, pipeline in others.items():
        other = json.dumps({**index, "_class_name": pipeline}).encode()
        found[name] = {**found[ZIMAGE], "model_index.json": other}
    return found


@pytest.fixture
def hub(
    repositories: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeHub]:
    with serving(FakeHub(repositories)) as fake:
        monkeypatch.setitem(vars(fetch.OWN), "endpoint", fake.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        yield fake


def fetched_weights(hub: FakeHub) -> list[str]:
    return [path for path in hub.fetched if path.endswith(".safetensors")]


@pytest.mark.parametrize(
    ("base", "asked", "says"),
    [
        (OTHER, "", "no base of a known family (it is a CogView4Pipeline)"),
        (DEV, "", "is not supported: take klein or klein-9b"),
        (EDIT, "", "is not supported: take qwen-edit"),
        (ZIMAGE, "--method textual-inversion", "learns no new word"),
        (ZIMAGE, "--method reference", "cannot be shown drawings"),
        (SDXL, "--rank -3", "rank"),
        (SDXL, "--quantization nf4", "pip install 'understudy[8bit]'"),
        (SDXL, "--offload shards", "accelerate launch"),
        (SDXL, "--precision fp16", "fp16 needs a graphics card"),
    ],
)
def test_a_mistake_costs_no_download(
    base: str,
    asked: str,
    says: str,
    hub: FakeHub,
    drawings: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    learning = ["learn", str(drawings), "--name", "Mo", "--run", str(run), "--base", base]
    assert run_command([*learning, *asked.split()]) == 2
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert says in sentence
    assert hub.asked
    assert not fetched_weights(hub)
    assert not run.exists()


@pytest.mark.parametrize(
    ("base", "instead"),
    [("black-forest-labs/FLUX.2-dev", "klein"), ("Qwen/Qwen-Image-Edit", "qwen-edit")],
)
def test_what_is_not_supported_is_told_by_its_name_alone(
    base: str, instead: str, hub: FakeHub, drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anybody accepts a licence for it."""
    for asked in (
        ["learn", str(drawings), "--name", "Mo", "--run", str(tmp_path / "run"), "--base", base],
        ["plan", "--base", base],
    ):
        assert f"is not supported: take {instead}" in mistake(capsys, *asked)
    assert not hub.asked


def test_so_is_a_folder_of_it(drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_toy("flux2", tmp_path / "dev")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "Flux2Pipeline"}))
    asked = ["learn", str(drawings), "--name", "Mo", "--run", str(tmp_path / "run"), "--base", str(folder)]
    assert "is not supported: take klein" in mistake(capsys, *asked)


def test_nor_do_drawings_and_runs_that_cannot_be(
    hub: FakeHub, drawings: Path, toy_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ["--name", "Mo", "--base", SDXL, "--run"]
    assert run_command(["learn", str(tmp_path / "none"), *there, str(tmp_path / "run")]) == 2
    assert "There is no folder or file" in capsys.readouterr().err
    assert run_command(["learn", str(drawings), *there, str(drawings)]) == 2
    assert "holds other files and no run" in capsys.readouterr().err
    run = learn(make_character(), make_recipe(toy_base).model_copy(update={"steps": 1}), tmp_path / "begun")
    assert run_command(["learn", str(drawings), *there, str(run.folder)]) == 2
    assert "was begun with" in capsys.readouterr().err
    assert not fetched_weights(hub)


def test_plans_are_shown_of_any_repository(hub: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["plan", "--base", ZIMAGE, "--memory-gib", "8"]) == 0
    assert capsys.readouterr().out.startswith("*")
    assert not fetched_weights(hub)
    assert "learns no new word" in mistake(capsys, "plan", "--base", ZIMAGE, "--method", "textual-inversion")


def test_a_card_that_is_too_small_is_told(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = pretend_card(Plan(device="cuda", precision="fp32", threads=1), monkeypatch)
    machine = Machine(1 * MIB, frozenset(), compiles=False)
    monkeypatch.setattr(learning_plans, "find_machine", lambda *rest: machine)
    recipe = make_recipe(Path("somewhere")).model_copy(update={"base": SDXL})
    with pytest.raises(UserError, match=r"takes at least 0\.\d GiB .*take a smaller base"):
        learn(make_character(), recipe, tmp_path / "run")
    assert not tried
    assert not fetched_weights(hub)


def test_a_machine_without_a_card_is_told_what_it_takes(hub: FakeHub, tmp_path: Path) -> None:
    recipe = make_recipe(Path("somewhere")).model_copy(update={"base": SDXL, "prior_weight": 0.0, "steps": 1})
    seen: list[Event] = []
    learn(make_character(), recipe, tmp_path / "run", notify=seen.append, device="cpu")
    notes = [event.text for event in seen if isinstance(event, Note)]
    assert notes[0] == (
        f"Without a graphics card {SDXL} learns on the processor in fp32, slowly, and takes 0 GiB of the "
        "machine's memory or more."
    )
    assert notes[1].startswith(f"{SDXL}: ")  # what is fetched
