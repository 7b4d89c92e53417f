"""Trial steps: what their failures mean, and whether what is compiled learns what it would uncompiled."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ModelMixin
from torch import Tensor
from torch._dynamo.backends.registry import lookup_backend

from tests.bases.toys import make_toy
from tests.methods.compiling_wrongly import compile_deafly, compile_nothing, compile_wrongly
from tests.methods.dry_gradients import dry_gradients
from tests.toy_character import make_lora_recipe, make_recipe, make_whole_recipe, make_word_recipe
from understudy.bases.layouts import Family
from understudy.methods.computing import trial_step
from understudy.methods.computing.compiled_gradients import LostGradients, check_gradients
from understudy.methods.computing.trial_step import measure_peak, take_steps
from understudy.recipes import Finetune
from understudy.runs import Plan

MIB = 2**20
NO_ROOM = "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
FIRST = Plan(device="cuda", precision="fp32", threads=1)
CPU_COMPILED = FIRST.model_copy(update={"device": "cpu", "compiled": True})
MAKE = {"lora": make_lora_recipe, "whole": make_whole_recipe, "word": make_word_recipe}
LOSE = {"lora": compile_wrongly, "whole": compile_wrongly, "word": compile_deafly}


@pytest.mark.parametrize(
    ("error", "compiled", "found"),
    [
        (torch.OutOfMemoryError("full"), False, None),
        (torch.OutOfMemoryError("full"), True, None),
        (RuntimeError(NO_ROOM), False, None),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), False, None),
        (RuntimeError("no compiler"), True, None),
        (None, False, 7 * MIB),
    ],
)
def test_a_dry_step_that_fails_is_no_plan(
    error: Exception | None,
    compiled: bool,
    found: int | None,
    toy_base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def take(*rest: object) -> None:
        if error is not None:
            raise error

    for name in ("empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda *rest: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda *rest: 7 * MIB)
    monkeypatch.setattr(trial_step, "take_steps", take)
    plan = FIRST.model_copy(update={"compiled": compiled})
    assert measure_peak(toy_base, make_recipe(toy_base), plan) == found


def test_a_dry_step_with_a_fault_of_ours_is_told(toy_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(*rest: object) -> None:
        raise RuntimeError("a fault")

    for name in ("empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda *rest: None)
    monkeypatch.setattr(trial_step, "take_steps", take)
    with pytest.raises(RuntimeError, match="a fault"):
        measure_peak(toy_base, make_lora_recipe(toy_base), FIRST)


@pytest.mark.parametrize("kind", MAKE)
def test_blocks_that_lose_gradients_are_found(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_toy("sd1", tmp_path / "sd1")  # which hears words in its blocks alone
    recipe: Finetune = MAKE[kind](folder)
    monkeypatch.setattr(ModelMixin, "compile_repeated_blocks", compile_nothing)
    take_steps(folder, recipe, CPU_COMPILED)
    monkeypatch.setattr(ModelMixin, "compile_repeated_blocks", LOSE[kind])
    with pytest.raises(LostGradients):
        take_steps(folder, recipe, CPU_COMPILED)


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no compiler")
def test_a_compiled_u_net_learns_by_its_dry_steps(tmp_path: Path) -> None:
    folder = make_toy("sdxl", tmp_path / "sdxl")
    take_steps(folder, make_lora_recipe(folder), CPU_COMPILED)


@pytest.mark.parametrize(
    ("plain", "compiled", "loses"),
    [
        ([1.0, 1.0], [1.0, 0.9], False),
        ([1.0, 1.0], [1.0, 0.0], True),
        ([1.0, 1.0], [1.0, float("nan")], True),
        ([float("inf"), 1.0, 1.0], [float("inf"), 1.0, 0.0], True),  # fp16 overflows; the others still tell
    ],
)
def test_what_counts_as_a_lost_gradient(plain: list[float], compiled: list[float], loses: bool) -> None:
    both = [[torch.tensor(one) for one in some] for some in (plain, compiled)]
    with pytest.raises(LostGradients) if loses else nullcontext():
        check_gradients(*both)


def compare_gradients(family: Family, folder: Path) -> tuple[float, float]:
    """The distance between gradients with compiled blocks and without, and the size of the latter."""
    make_toy(family, folder)
    plan = FIRST.model_copy(update={"device": "cpu", "checkpointing": "whole"})
    expected = dry_gradients(folder, plan, 1)
    found = dry_gradients(folder, plan.model_copy(update={"compiled": True}), 1)
    assert found.keys() >= expected.keys()
    # What the last block says of the words nobody hears: compiled, that is a gradient of nothing.
    expected |= {name: torch.zeros_like(one) for name, one in found.items() if name not in expected}
    plain, compiled = (
        torch.cat([one.flatten() for _, one in sorted(some.items())]) for some in (expected, found)
    )
    return (plain - compiled).norm().item(), plain.norm().item()


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no compiler")
@pytest.mark.parametrize("family", ["flux2", "sdxl"])
def test_compiled_blocks_learn_the_same(family: Family, tmp_path: Path) -> None:
    distance, size = compare_gradients(family, tmp_path / family)
    assert 0 < distance < 1e-5 * size


@pytest.mark.parametrize("family", ["sd3", "flux", "qwen", "zimage"])
def test_captured_blocks_learn_the_same(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that compiling does but for the machine's own code, which takes minutes to make."""
    captured: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        captured.append(len(graph.graph.nodes))
        made: Callable[..., Any] = lookup_backend("aot_eager")(graph, inputs)
        return made

    compiles = ModelMixin.compile_repeated_blocks
    monkeypatch.setattr(ModelMixin, "compile_repeated_blocks", partialmethod(compiles, backend=backend))
    distance, size = compare_gradients(family, tmp_path / family)
    assert captured
    assert distance < 1e-5 * size
