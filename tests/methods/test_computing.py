"""How a run computes changes nothing of what it learns; what it needs no more is gone."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.killing import Killed
from tests.methods.saved_state import assert_same_state, state_of
from tests.toy_character import make_lora_recipe, make_recipe, make_whole_recipe, make_word_recipe
from understudy.bases.base import Base
from understudy.bases.opening import open_base
from understudy.domain import Character, Scene, UserError
from understudy.events import Event
from understudy.methods import finetune as finetuning
from understudy.methods import learn, learn_together, open_painter
from understudy.methods.computing import learning_plans, loss_scale
from understudy.methods.computing.planning import choose_plan, following
from understudy.methods.computing.plans import Choice
from understudy.methods.computing.trial_step import take_steps
from understudy.recipes import DrawSettings, DreamBoothLora, Finetune, read_recipe
from understudy.runs import MANIFEST_FILE, Plan, Run, open_run

Tensors = dict[str, torch.Tensor]
CPU = Plan(device="cpu", precision="fp32", threads=1)


HIGH = {"dreambooth-lora": 2.0**22, "dreambooth": 2.0**18}
"""Factors of the loss that are too large for the first steps, not for all."""


RECIPES: dict[str, Any] = {
    "dreambooth-lora": make_recipe,
    "lora": make_lora_recipe,
    "dreambooth": make_whole_recipe,
    "textual-inversion": make_word_recipe,
}


def recipe_of(method: str, base: Path, **knobs: object) -> Any:
    make: Callable[[Path], Finetune] = RECIPES[method]
    recipe = make(base)
    return type(recipe).model_validate(recipe.model_dump() | {"steps": 4, "prior_pictures": 2} | knobs)


@pytest.fixture(scope="module", params=RECIPES)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def plain(method: str, toy_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learn(pip, recipe_of(method, toy_base), tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize(
    "knobs",
    [
        {"offload": "encoders"},
        {"checkpointing": "segments"},
        {"checkpointing": "whole"},
        {"offload": "blocks", "checkpointing": "whole"},
    ],
    ids=str,
)
def test_the_weights_are_the_same_to_the_last_bit(
    knobs: dict[str, object], method: str, plain: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    if method == "dreambooth" and knobs.get("offload") == "blocks":
        with pytest.raises(ValueError, match="a denoiser that does not learn"):
            recipe_of(method, toy_base, **knobs)
        return
    run = learn(pip, recipe_of(method, toy_base, **knobs), tmp_path)
    assert run.manifest.plan.model_dump().items() >= knobs.items()
    assert_same_state(run, plain)
    newest = run.newest()
    assert newest is not None
    with open_painter(run) as painter:  # which needs all that was freed
        (picture,) = painter([Scene("Pip", 1)], DrawSettings(steps=1))
    assert picture.pixels.std() > 0


def test_together_they_need_as_little(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    recipes = {
        offload: recipe_of("dreambooth-lora", toy_base, offload=offload, checkpointing="whole")
        for offload in ("none", "encoders", "blocks")
    }
    runs = [
        learn_together(
            pip,
            {tmp_path / offload / str(seed): recipe.model_copy(update={"seed": seed}) for seed in (0, 1)},
        )
        for offload, recipe in recipes.items()
    ]
    for others in runs[1:]:
        for one, other in zip(runs[0], others, strict=True):
            assert_same_state(one, other)


@pytest.mark.parametrize(
    ("knobs", "left"),
    [({"offload": "none"}, {"unet", "vae", "text_encoder"}), ({"offload": "encoders"}, {"unet"})]
    + [({"offload": "encoders", "text_learning_rate": 1e-3}, {"unet", "text_encoder"})]
    + [({"offload": "encoders", "vectors": 2}, {"unet", "text_encoder"})],
    ids=("all stay", "encoders go", "the text encoder learns", "a word learns"),
)
def test_what_no_step_needs_is_gone_before_the_first(
    knobs: dict[str, object],
    left: set[str],
    toy_base: Path,
    pip: Character,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts: dict[str, weakref.ref[Any]] = {}

    def begin(base: Base, *rest: Any) -> Any:
        gc.collect()
        assert {name for name, part in parts.items() if part() is not None} == left
        raise Killed  # what comes after it, other tests ask

    def opened(*arguments: Any) -> Base:
        base = open_base(*arguments)
        parts.update(
            {name: weakref.ref(part) for name, part in base.pipe.components.items() if name in ALL_PARTS}
        )
        return base

    monkeypatch.setattr(finetuning, "begin_tuning", begin)
    monkeypatch.setattr("understudy.methods.dreambooth_lora.open_base", opened)
    with pytest.raises(Killed):
        learn(pip, recipe_of("dreambooth-lora", toy_base, **knobs), tmp_path)
    assert parts.keys() == ALL_PARTS


ALL_PARTS = {"unet", "vae", "text_encoder"}


@pytest.fixture
def in_fp16(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a graphics card without bf16, though much slower."""
    half = CPU.model_copy(update={"precision": "fp16"})
    monkeypatch.setattr("understudy.methods.learning.plan_learning", lambda *rest: Choice(half))


@pytest.mark.usefixtures("in_fp16")
@pytest.mark.parametrize("method", ["dreambooth-lora", "dreambooth"])
def test_in_fp16_a_run_that_was_killed_goes_on_exactly(
    method: str, toy_base: Path, pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So large that the first steps overflow and change nothing.
    monkeypatch.setattr(loss_scale, "FIRST_SCALE", HIGH[method])
    recipe = recipe_of(method, toy_base, steps=6, snapshot_every=3, prior_weight=0.0, batch=2)

    def kill(event: Event) -> None:
        if getattr(event, "phase", "") == "learning" and getattr(event, "done", 0) == 5:
            raise Killed

    whole = learn(pip, recipe, tmp_path / "whole")
    with pytest.raises(Killed):
        learn(pip, recipe, tmp_path / "killed", notify=kill)
    assert_same_state(learn(pip, recipe, tmp_path / "killed"), whole)
    kept = state_of(whole)
    assert 0 < kept["optimizer_steps"] < 6
    assert kept["loss_scale"] < HIGH[method]
    assert all(torch.isfinite(one).all() for one in kept.values())


def test_half_precision_is_not_for_a_cpu() -> None:
    with pytest.raises(UserError, match="fp16 needs a graphics card: take --precision bf16"):
        choose_plan(None, "cpu", "fp16")


def test_tf32_is_only_where_the_plan_says(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_float32_matmul_precision()
    with following(CPU.model_copy(update={"tf32": True})):
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.allow_tf32
        with following(CPU):
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cudnn.allow_tf32
    assert torch.get_float32_matmul_precision() == before


def test_a_run_from_before_all_this_goes_on(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    run = learn(pip, recipe_of("dreambooth-lora", toy_base), tmp_path)
    manifest = json.loads((run.folder / MANIFEST_FILE).read_text())
    manifest["plan"] = {name: manifest["plan"][name] for name in ("device", "precision", "threads")}
    del manifest["forecast_bytes"], manifest["measured_bytes"]
    (run.folder / MANIFEST_FILE).write_text(json.dumps(manifest))
    text = (run.folder / "recipe.toml").read_text().splitlines()
    new = ("checkpointing =", "quantization =", "offload =")
    (run.folder / "recipe.toml").write_text("\n".join(line for line in text if not line.startswith(new)))
    longer = learn(pip, recipe_of("dreambooth-lora", toy_base, steps=6), tmp_path)
    assert open_run(longer.folder).manifest.plan == CPU
    newest = longer.newest()
    assert newest is not None
    assert newest.step == 6


def test_a_recipe_whose_checkpointing_was_a_switch_is_read(tmp_path: Path) -> None:
    for switch, choice in (("true", "whole"), ("false", "auto")):
        path = tmp_path / "recipe.toml"
        path.write_text(f'method = "dreambooth"\ncheckpointing = {switch}\n')
        recipe = read_recipe(path)
        assert isinstance(recipe, Finetune)
        assert recipe.checkpointing == choice


def test_what_cannot_be_together_is_said_at_once() -> None:
    for knobs, said in (
        ({"offload": "blocks", "checkpointing": "none"}, "needs checkpointing whole"),
        ({"offload": "blocks", "quantization": "nf4"}, "leave quantization out"),
        ({"offload": "shards", "quantization": "int8"}, "offload shards takes weights as they are"),
    ):
        with pytest.raises(ValueError, match=said):
            DreamBoothLora.model_validate(knobs)


@pytest.mark.parametrize(
    "plan", [CPU, CPU.model_copy(update={"offload": "blocks", "checkpointing": "whole"})]
)
def test_a_dry_step_learns_as_the_run_will(method: str, plan: Plan, toy_base: Path) -> None:
    if method == "dreambooth":  # what learns does not leave
        plan = plan.model_copy(update={"offload": "none"})
    with following(plan):
        take_steps(toy_base, recipe_of(method, toy_base), plan)


def test_going_on_does_not_plan_again(
    toy_base: Path, pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(pip, recipe_of("dreambooth-lora", toy_base), tmp_path)

    def plan_again(*rest: object) -> Choice:
        raise AssertionError("it has a plan")

    monkeypatch.setattr("understudy.methods.learning.plan_learning", plan_again)
    monkeypatch.setattr(learning_plans, "plan_learning", plan_again)
    learn(pip, recipe_of("dreambooth-lora", toy_base, steps=5), tmp_path)
