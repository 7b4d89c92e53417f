"""Each family in few bits, by each package: it predicts nearly the same, learns, goes on, and draws."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from tests.bases.learned_share import share_of_error
from tests.bases.toys import at_toy_size, make_toy
from tests.bases.without_card import quantizing_on_the_cpu
from tests.killing import Killed
from tests.toy_character import make_character
from understudy.bases.base import DTYPES, Base
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.bases.quantizing import Quantizer
from understudy.domain import Pixels, Scene
from understudy.events import Event, Step
from understudy.methods import hastening, learn, open_painter
from understudy.methods.computing.plans import Choice
from understudy.methods.hastening import READ_NO_QUANTO
from understudy.methods.questions import ask
from understudy.recipes import DrawSettings, DreamBoothLora
from understudy.recipes.computing import Quantization
from understudy.runs import STATE_FILE, Plan, Run

FAMILIES: tuple[Family, ...] = ("sd1", "sdxl", "sd3", "flux", "flux2", "qwen", "zimage")
WAYS: tuple[tuple[Quantization, Quantizer], ...] = (
    ("int8", "quanto"),
    ("int8", "torchao"),
    ("int8", "bitsandbytes"),
    ("nf4", "bitsandbytes"),
)
PREDICTS_WITHIN = {"int8": 0.1, "nf4": 0.3}
"""Of what the whole weights predict."""
DRAWS_WITHIN = {"int8": 10, "nf4": 40}
"""Of 255, on average over all pixels."""
TIMES_IN_FP32 = "t_embedder"
"""Z-Image's first layers of all, which diffusers gives times as they are where bitsandbytes keeps int8."""


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Iterator[Family]:
    with at_toy_size(), quantizing_on_the_cpu():
        yield request.param


@pytest.fixture(scope="module")
def folder(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy(family, tmp_path_factory.mktemp("bases") / family)


@pytest.fixture(scope="module")
def whole(folder: Path) -> Tensor:
    """What the base predicts with its weights as they are."""
    return predict(open_base(folder, make_plan("none", None)))


WHOLE = Plan(device="cpu", precision="fp32", threads=1)


def make_plan(quantization: Quantization, quantizer: Quantizer | None) -> Plan:
    """In a card's precision, but for quanto, which on a CPU does not take all inputs in bf16.

    Computing again, since torchao keeps what it unpacks otherwise.
    """
    precision = "fp32" if quantizer == "quanto" else "bf16"
    quantized = {"quantization": quantization, "quantizer": quantizer, "checkpointing": "whole"}
    return Plan.model_validate({"device": "cpu", "precision": precision, "threads": 1, **quantized})


def make_recipe(folder: Path, **knobs: object) -> DreamBoothLora:
    few: dict[str, object] = {
        "steps": 2,
        "rank": 4,
        "alpha": 8.0,
        "learning_rate": 0.01,
        "warmup_steps": 1,
        "batch": 2,
        "views": 1,
        "snapshot_every": 2,
        "prior_weight": 0.0,
        "averaging": 0.0,
        "caption_dropout": 0.0,
    }
    return DreamBoothLora.model_validate({**few, "base": str(folder), **knobs})


def plan_so(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.methods.learning.plan_learning", lambda *rest: Choice(plan))


def predict(base: Base) -> Tensor:
    """Asked as a step of learning asks; every layer answers in the plan's precision."""
    noise = torch.Generator().manual_seed(1)
    shape = base.encode_image(torch.zeros(1, 3, base.size_px, base.size_px)).mean.shape
    spoken: dict[str, torch.dtype] = {}

    def hear(name: str, layer: nn.Module) -> None:
        layer.register_forward_hook(lambda layer, given, answer: spoken.update({name: answer.dtype}))

    for name, layer in base.denoiser.named_modules():
        if isinstance(layer, nn.Linear) and not name.startswith(TIMES_IN_FP32):
            hear(name, layer)
    with torch.no_grad():
        answer = ask(
            base, torch.randn(shape, generator=noise), torch.tensor([300]), base.encode_prompt(["a girl"])
        )
    assert {*spoken.values()} == {DTYPES[base.plan.precision]}
    return answer


def read_state(run: Run) -> dict[str, Tensor]:
    newest = run.newest_state()
    assert newest is not None
    return safetensors.torch.load_file(newest.folder / STATE_FILE)


def draw(run: Run, quantization: Quantization) -> tuple[Pixels, str]:
    settings = DrawSettings(steps=2, guidance=1.0, quantization=quantization)
    with open_painter(run, faster=settings.faster) as painter:
        (picture,) = painter([Scene("a picture of Pip", 1)], settings)
    return picture.pixels, picture.record.get("quantization", "")


@pytest.mark.parametrize(("quantization", "quantizer"), WAYS, ids=["-".join(way) for way in WAYS])
def test_it_learns_and_draws(
    quantization: Quantization,
    quantizer: Quantizer,
    family: Family,
    folder: Path,
    whole: Tensor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = make_plan(quantization, quantizer)
    small = predict(open_base(folder, plan))
    assert 0 < (whole - small).norm() < PREDICTS_WITHIN[quantization] * whole.norm()

    plan_so(plan, monkeypatch)
    run = learn(make_character(), make_recipe(folder), tmp_path / "run")
    state = read_state(run)
    assert all(torch.isfinite(one).all() for one in state.values())
    moved = [one.abs().max() > 0 for name, one in state.items() if "lora_B" in name]
    assert sum(moved) > 0.8 * len(moved) > 0

    if quantizer == "quanto" and family in READ_NO_QUANTO:
        return  # refused: see test_quantizing.py
    monkeypatch.setattr(hastening, "find_usable", lambda device: frozenset({quantizer}))
    (plain, said_nothing), (drawn, said) = draw(run, "none"), draw(run, quantization)
    assert (said_nothing, said) == ("", f"{quantization} by {quantizer}")
    assert 0 < np.abs(plain.astype(float) - drawn).mean() < DRAWS_WITHIN[quantization]


@pytest.mark.parametrize(
    ("family", "optimizer"), [("sd1", "adam"), ("flux2", "adam-8bit")], indirect=["family"]
)
def test_on_nf4_the_loss_falls_and_a_kill_changes_nothing(
    optimizer: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_so(make_plan("nf4", "bitsandbytes"), monkeypatch)
    longer: dict[str, object] = {"steps": 24, "batch": 6, "views": 2, "snapshot_every": 24}
    learned = learn(
        make_character(), make_recipe(folder, **longer, optimizer=optimizer), tmp_path / "learned"
    )
    share = share_of_error(learned, open_base(folder, WHOLE), make_character())
    assert share < 0.85  # 0.46 and 0.63; the bar of all families

    def kill(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "learning" and event.done == 3:
            raise Killed

    recipe = make_recipe(folder, steps=4, optimizer=optimizer)
    straight = learn(make_character(), recipe, tmp_path / "straight")
    with pytest.raises(Killed):
        learn(make_character(), recipe, tmp_path / "killed", notify=kill)
    killed = learn(make_character(), recipe, tmp_path / "killed")
    expected, found = read_state(straight), read_state(killed)
    assert expected.keys() == found.keys()
    assert all(torch.equal(one, found[name]) for name, one in expected.items())
