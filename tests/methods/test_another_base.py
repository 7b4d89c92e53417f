"""A LoRA on another base than it was learned on: where it fits, where not, and what pictures say of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from tests.bases.plain_drawing import difference, draw_plainly
from tests.bases.toys import make_toy
from tests.toy_character import make_character, make_recipe
from understudy import draw, on_another_base
from understudy.bases import catalog
from understudy.bases.fetching.fetch import fetch_configs
from understudy.bases.hollow import open_hollow
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.bases.recommended import suited_settings
from understudy.bases.relatives import TAKES, find_takers
from understudy.cli import run_command
from understudy.domain import Scene, UserError
from understudy.methods import another_base, learn
from understudy.methods.another_base import OnAnotherBase
from understudy.methods.learned_words import WORD_FILE
from understudy.provenance import read_record
from understudy.recipes import DrawSettings, DreamBoothLora
from understudy.runs import Plan, Run

CPU = Plan(device="cpu", precision="fp32", threads=1)
PROMPT = "a picture of Pip waving"
FEW = DrawSettings(steps=2, guidance=2.5)


def make_strong(folder: Path, **knobs: object) -> DreamBoothLora:
    """A short recipe of which something is seen."""
    strong = {"steps": 4, "prior_weight": 0.0, "learning_rate": 0.05, "averaging": 0.0, "views": 2}
    return DreamBoothLora.model_validate(make_recipe(folder).model_dump() | strong | knobs)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("bases")
    return {"flux": make_toy("flux", root / "flux"), "kontext": make_toy("kontext", root / "kontext", seed=1)}


@pytest.fixture(scope="module")
def run(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = make_strong(bases["flux"], text_learning_rate=1e-3)
    return learn(make_character(), recipe, tmp_path_factory.mktemp("runs") / "pip")


def test_kontext_draws_what_flux_learned_as_plain_diffusers_does(
    run: Run, bases: dict[str, Path], tmp_path: Path
) -> None:
    moved = on_another_base(run, str(bases["kontext"]))
    (path,) = draw(moved, [Scene(PROMPT, 3)], FEW, tmp_path)
    record = read_record(path)
    assert (record["base"], record["learned_on"]) == ("kontext", "flux")
    assert record["base_sha256"] != record["learned_on_sha256"] == run.manifest.base_sha256
    drawn = np.asarray(Image.open(path))
    base = open_base(bases["kontext"], CPU)
    recipe = run.recipe
    assert isinstance(recipe, DreamBoothLora)
    words = recipe.words(run.manifest.name, run.manifest.noun)
    prompt = base.prompting.complete(PROMPT.replace("Pip", words))
    pipe = base.drawing_pipe(None)
    without = draw_plainly(pipe, base, prompt, 3, FEW.steps, FEW.guidance)
    newest = run.newest()
    assert newest is not None
    pipe.load_lora_weights(str(newest.folder))
    assert difference(drawn, draw_plainly(pipe, base, prompt, 3, FEW.steps, FEW.guidance)) < 0.5
    assert difference(drawn, without) > 2


def test_nothing_is_said_on_its_own_base(run: Run, bases: dict[str, Path], tmp_path: Path) -> None:
    same = on_another_base(run, str(bases["flux"]))
    assert same == run
    (path,) = draw(same, [Scene(PROMPT, 3)], FEW, tmp_path)
    assert "learned_on" not in read_record(path)


def test_it_is_drawn_as_the_other_base_is(run: Run, bases: dict[str, Path]) -> None:
    moved = on_another_base(run, str(bases["kontext"]))
    assert (suited_settings(run).guidance, suited_settings(moved).guidance) == (3.5, 2.5)
    assert isinstance(moved, OnAnotherBase)
    assert moved.learned_on == run.manifest
    assert moved.manifest.model_copy(update={"base": None, "base_sha256": None}) == run.manifest.model_copy(
        update={"base": None, "base_sha256": None}
    )


def test_from_the_command_line(
    run: Run, bases: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["draw", str(run.folder), PROMPT, "--count", "1", "--steps", "1", "--out", str(tmp_path)]
    assert run_command([*asked, "--base", str(bases["kontext"])]) == 0
    record = read_record(Path(capsys.readouterr().out.strip()))
    assert (record["base"], record["learned_on"], record["guidance"]) == ("kontext", "flux", "2.5")
    assert run_command([*asked, "--base", "sdxl"]) == 2
    said = capsys.readouterr().err
    assert "sdxl is of the family sdxl, which takes no LoRA that was learned on flux" in said
    assert "give --base one of flux or kontext" in said


def other_shape(folder: Path, out: Path, part: str, **config: object) -> Path:
    """The same base but for the config of a part, which alone is read."""
    shutil.copytree(folder, out)
    path = out / part / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return out


def test_another_shape_is_refused(run: Run, bases: dict[str, Path], tmp_path: Path) -> None:
    wider = other_shape(bases["kontext"], tmp_path / "wider", "transformer", num_attention_heads=4)
    with pytest.raises(UserError, match=r"does not take the LoRA .* transformer\..* has another shape"):
        on_another_base(run, str(wider))
    shorter = other_shape(bases["kontext"], tmp_path / "shorter", "transformer", num_single_layers=1)
    with pytest.raises(UserError, match=r"since its transformer\.single_transformer_blocks\.1\."):
        on_another_base(run, str(shorter))
    reads = other_shape(bases["kontext"], tmp_path / "reads", "text_encoder", hidden_size=64)
    with pytest.raises(UserError, match=r"since its text_encoder\."):
        on_another_base(run, str(reads))


def test_a_word_must_fit_as_well(bases: dict[str, Path], tmp_path: Path) -> None:
    run = learn(make_character(), make_strong(bases["flux"], vectors=2, steps=1), tmp_path / "run")
    assert isinstance(on_another_base(run, str(bases["kontext"])), OnAnotherBase)
    newest = run.newest()
    assert newest is not None
    assert (newest.folder / WORD_FILE).is_file()
    wider = other_shape(bases["kontext"], tmp_path / "wider", "text_encoder_2", d_model=64)
    with pytest.raises(UserError, match="since its text encoder has another shape"):
        on_another_base(run, str(wider))


def test_words_of_two_readers_are_told_by_name(tmp_path: Path) -> None:
    """A file sorts its names: of SDXL's readers the second comes first."""
    own, other = (make_toy("sdxl", tmp_path / name, seed=seed) for seed, name in enumerate(("own", "tune")))
    run = learn(make_character(), make_strong(own, vectors=1, steps=1), tmp_path / "run")
    assert isinstance(on_another_base(run, str(other)), OnAnotherBase)
    wider = other_shape(other, tmp_path / "wider", "text_encoder_2", hidden_size=96)
    with pytest.raises(UserError, match="since its text encoder has another shape"):
        on_another_base(run, str(wider))


def test_a_family_is_refused_before_anything_is_fetched(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*rest: object) -> Path:
        raise AssertionError("it was fetched")

    monkeypatch.setattr(another_base, "find_base", fetch)
    with pytest.raises(UserError, match="is of the family flux2"):
        on_another_base(run, "klein")
    toy, other = make_toy("zimage", tmp_path), "somebody/zimage"
    own = fetch_configs
    monkeypatch.setattr(
        catalog, "fetch_configs", lambda name, notify: toy if name == other else own(name, notify)
    )
    with pytest.raises(UserError, match="is of the family zimage"):
        on_another_base(run, other)


@pytest.mark.parametrize("knobs", [{"adapter": "lokr"}, {"adapter": "oft"}])
def test_only_lora_is_taken_over(knobs: dict[str, object], toy_base: Path, tmp_path: Path) -> None:
    run = learn(make_character(), make_strong(toy_base, steps=1, **knobs), tmp_path / "run")
    with pytest.raises(UserError, match="Only LoRA is drawn on another base"):
        on_another_base(run, str(toy_base))


@pytest.mark.parametrize("adapter", ["dora", "rslora"])
def test_all_kinds_of_lora_are_read(adapter: str, tmp_path: Path) -> None:
    own, other = (make_toy("sdxl", tmp_path / name, seed=seed) for seed, name in enumerate(("own", "tune")))
    targets = ["attention", "convolutions"]
    recipe = make_strong(own, adapter=adapter, steps=1, targets=targets)
    run = learn(make_character(), recipe, tmp_path / "run")
    assert isinstance(on_another_base(run, str(other)), OnAnotherBase)
    slim = other_shape(other, tmp_path / "slim", "unet", cross_attention_dim=24)
    with pytest.raises(UserError, match=r"since its unet\..*attn2.* has another shape"):
        on_another_base(run, str(slim))


def test_the_table_names_every_family_and_each_takes_its_own() -> None:
    assert set(TAKES) == set(get_args(Family))
    assert all(family in takers for family, takers in TAKES.items())
    assert find_takers("flux") == ["flux", "kontext"]
    assert find_takers("qwen") == ["qwen"]


def test_shapes_are_read_without_weights(
    run: Run, bases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base of 12 billion weights must not be loaded to know whether it fits."""
    made: list[torch.device] = []

    def open_and_look(*rest: object, **named: object) -> object:
        base = open_hollow(*rest, **named)  # type: ignore[arg-type]
        made.extend({weight.device for weight in base.denoiser.parameters()})
        return base

    monkeypatch.setattr(another_base, "open_hollow", open_and_look)
    on_another_base(run, str(bases["kontext"]))
    assert made == [torch.device("meta")]
