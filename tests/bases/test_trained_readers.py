"""Text encoders that learn beside the denoiser: CLIP-L and CLIP-G of SD 3.5, CLIP of FLUX.1; never T5."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.bases.plain_drawing import difference, draw_plainly
from tests.bases.toy_flux import read_kohya_at_toy_size
from tests.bases.toy_sd3 import make_toy_sd3
from tests.bases.toys import make_toy
from tests.killing import Killed
from tests.toy_character import make_character, make_recipe, make_whole_recipe
from understudy.bases.base import Base
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.bases.placing import place_denoiser
from understudy.domain import Pixels, Scene
from understudy.events import Event, Step
from understudy.exporting import Form, export
from understudy.methods import learn, open_painter
from understudy.methods.adapters import WEIGHTS_FILE, add_text_adapter
from understudy.methods.kohya import WITHOUT_DIFFUSERS
from understudy.methods.painting import PipelinePainter
from understudy.methods.whole_weights import PIPELINE_FOLDER
from understudy.recipes import DrawSettings, DreamBoothLora
from understudy.runs import Plan, Run

PLAN = Plan(device="cpu", precision="fp32", threads=1)
SETTINGS = DrawSettings(steps=3, guidance=3.0)
PROMPTS = ["a picture of Pip waving", "Pip", ""]
READERS: dict[Family, tuple[str, ...]] = {
    "sd3": ("text_encoder", "text_encoder_2"),
    "flux": ("text_encoder",),
    "kontext": ("text_encoder",),
}
ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")


@pytest.fixture(scope="module", params=READERS)
def family(request: pytest.FixtureRequest) -> Family:
    found: Family = request.param
    return found


@pytest.fixture(scope="module")
def folder(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy(family, tmp_path_factory.mktemp("bases") / family)


def training(folder: Path, **knobs: object) -> DreamBoothLora:
    few = {"steps": 6, "text_learning_rate": 0.05, "averaging": 0.0, "prior_weight": 0.0, "views": 1}
    return make_recipe(folder).model_copy(update={**few, **knobs})


@pytest.fixture(scope="module")
def learned(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learn(make_character(3), training(folder), tmp_path_factory.mktemp("runs") / folder.name)


def plainly(pipe: Any, base: Base, prompt: str) -> Pixels:
    return draw_plainly(pipe, base, prompt, 3, SETTINGS.steps, SETTINGS.guidance)


def test_a_step_reads_as_the_pipeline_does_without_what_does_not_learn(family: Family, folder: Path) -> None:
    check_reading(folder, READERS[family])


def test_a_step_without_t5_reads_as_its_pipeline_does(tmp_path: Path) -> None:
    check_reading(make_toy_sd3(tmp_path / "base", with_t5=False), READERS["sd3"])


def check_reading(folder: Path, readers: tuple[str, ...]) -> None:
    base = open_base(folder, PLAN)
    before, tokens = base.encode_prompt(PROMPTS), base.tokenize(PROMPTS)
    with torch.no_grad():
        for weight in add_text_adapter(base, training(folder)).values():
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))
    expected = base.encode_prompt(PROMPTS)
    place_denoiser(replace(base, plan=PLAN.model_copy(update={"offload": "encoders"})), base.text_parts)
    kept = {name for name, part in base.pipe.components.items() if part is not None}
    assert {name for name in kept if name.startswith("text_encoder")} == {*readers}
    found = base.read_tokens(tokens, before)
    assert all(torch.allclose(found[name], one, atol=1e-5) for name, one in expected.tensors.items())
    assert not torch.allclose(expected["pooled"], before["pooled"], atol=1e-3)


def test_their_attention_learns_and_is_saved_as_readers_know_it(learned: Run, family: Family) -> None:
    saved = {name: one for name, one in newest(learned).items() if name.startswith("text_encoder")}
    layers = [
        f"{reader}.text_model.encoder.layers.{number}.self_attn.{end}"
        for reader in READERS[family]
        for number in range(3)
        for end in ATTENTION
    ]
    assert saved.keys() == {f"{layer}.lora_{factor}.weight" for layer in layers for factor in "AB"}
    learns = [layer for layer in layers if saved[f"{layer}.lora_B.weight"].abs().max() > 0]
    assert learns == layers


def newest(run: Run) -> dict[str, torch.Tensor]:
    checkpoint = run.newest()
    assert checkpoint is not None
    return load_file(checkpoint.folder / WEIGHTS_FILE)


@pytest.mark.parametrize("form", ["diffusers", "kohya"])
def test_plain_diffusers_draws_the_same_with_it(
    form: Form, learned: Run, family: Family, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In kohya's form too, but for SD 3.5's, which diffusers does not read: see test_kohya_sd3.py."""
    with open_painter(learned) as painter:
        (picture,) = painter([Scene("Pip", 3)], SETTINGS)
        assert isinstance(painter, PipelinePainter)
        prompt = painter.read("Pip")
    (path,) = export(learned, form, tmp_path / "pip.safetensors")
    tensors = load_file(path)
    assert any(name.startswith("lora_te1_text_model_") for name in tensors) == (form == "kohya")
    if form == "kohya" and family in WITHOUT_DIFFUSERS:
        return
    if family != "sd3":
        read_kohya_at_toy_size(monkeypatch)
    base = open_base(folder, PLAN)
    pipe = base.drawing_pipe(None)
    pipe.load_lora_weights(tmp_path, weight_name=path.name)
    assert difference(plainly(pipe, base, prompt), picture.pixels) <= 0.5
    pipe.unload_lora_weights()
    drawn = {name: one for name, one in tensors.items() if not name.startswith(("text_encoder", "lora_te"))}
    pipe.load_lora_weights(drawn)
    assert difference(plainly(pipe, base, prompt), picture.pixels) > 1  # what they learned is seen


def test_goes_on_after_a_kill_as_if_nothing_had_been(learned: Run, folder: Path, tmp_path: Path) -> None:
    def kill(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "learning" and event.done == 4:
            raise Killed

    with pytest.raises(Killed):
        learn(make_character(3), training(folder), tmp_path / "killed", notify=kill)
    killed = learn(make_character(3), training(folder), tmp_path / "killed")
    first, second = newest(learned), newest(killed)
    assert first.keys() == second.keys()
    assert all(torch.equal(one, second[name]) for name, one in first.items())


def test_whole_readers_learn_and_are_part_of_the_pipeline(
    folder: Path, family: Family, tmp_path: Path
) -> None:
    few = {"steps": 2, "prior_weight": 0.0, "averaging": 0.0, "views": 1, "save_as": "pipeline"}
    recipe = make_whole_recipe(folder).model_copy(update={**few, "text_learning_rate": 1e-3})
    run = learn(make_character(2), recipe, tmp_path / "run")
    checkpoint = run.newest()
    assert checkpoint is not None
    for reader in (path.name for path in folder.glob("text_encoder*")):
        before, after = (
            load_file(one / reader / "model.safetensors")
            for one in (folder, checkpoint.folder / PIPELINE_FOLDER)
        )
        moved = any(not torch.equal(one, after[name]) for name, one in before.items())
        assert moved == (reader in READERS[family])
