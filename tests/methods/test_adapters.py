"""Adapters of every kind: what is written is what was learned, and other tools read it as the help says."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import torch
from diffusers import StableDiffusionPipeline
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from pydantic import ValidationError
from torch import Tensor, nn

from tests.toy_character import make_recipe
from understudy.bases.base import Base
from understudy.bases.opening import open_base
from understudy.domain import Character
from understudy.methods import dreambooth_lora, learn
from understudy.methods.adapters import (
    WEIGHTS_FILE,
    add_adapter,
    add_text_adapter,
    load_adapter,
    write_adapter,
)
from understudy.methods.noise_rank import rank_at
from understudy.methods.weight_pull import Change, measure_change
from understudy.recipes import Adapter, DreamBoothLora, Target
from understudy.runs import Plan

ADAPTERS: tuple[Adapter, ...] = get_args(Adapter)
TIMES = torch.tensor([10, 500, 990])


def open_toy(folder: Path) -> Base:
    return open_base(folder, Plan(device="cpu", precision="fp32", threads=1))


def answer(base: Base) -> Tensor:
    """To something fixed, at three noise levels."""
    noisy = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return base.predict(noisy, TIMES, base.encode_prompt(["a", "b", "c"]))


@pytest.fixture(scope="module")
def untouched(toy_base: Path) -> Base:
    """A base to which nothing is added; tests only ask it."""
    return open_toy(toy_base)


def learn_something(base: Base, recipe: DreamBoothLora) -> dict[str, Tensor]:
    """An adapter whose weights are not those that it began with."""
    weights = add_adapter(base, recipe)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in weights.values():
            weight += 0.05 * torch.randn(weight.shape, generator=generator)
    return {name: weight.detach() for name, weight in weights.items()}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_fresh_adapter_changes_nothing(adapter: Adapter, untouched: Base, toy_base: Path) -> None:
    base, before = open_toy(toy_base), answer(untouched)
    add_adapter(base, make_recipe(toy_base, adapter))
    assert torch.allclose(answer(base), before, atol=1e-5)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("alpha", [8.0, 1.0])
def test_what_is_read_again_answers_as_what_was_learned(
    adapter: Adapter, alpha: float, untouched: Base, toy_base: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(toy_base, adapter).model_copy(update={"alpha": alpha})
    learned, read = (open_toy(toy_base) for _ in range(2))
    write_adapter(learn_something(learned, recipe), recipe, "unet", {"character": "Pip"}, tmp_path)
    load_adapter(read, recipe, tmp_path)
    assert torch.allclose(answer(read), answer(learned), atol=1e-4)
    assert not torch.allclose(answer(read), answer(untouched), atol=1e-2)


@pytest.mark.parametrize("adapter", ["lora", "rslora"])
def test_what_reads_the_words_is_read_again_too(
    adapter: Adapter, untouched: Base, toy_base: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(toy_base, adapter).model_copy(update={"text_learning_rate": 1e-3})
    learned, read = (open_toy(toy_base) for _ in range(2))
    weights = learn_something(learned, recipe)
    for name, weight in add_text_adapter(learned, recipe).items():
        weight.data += 0.05
        weights[name] = weight.detach()
    write_adapter(weights, recipe, "unet", {}, tmp_path)
    load_adapter(read, recipe, tmp_path)
    words = [base.encode_prompt(["a girl"])["hidden"] for base in (learned, read, untouched)]
    assert torch.allclose(words[0], words[1], atol=1e-4)
    assert not torch.allclose(words[0], words[2], atol=1e-2)
    assert torch.allclose(answer(read), answer(learned), atol=1e-3)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_other_tools_read_it_as_the_help_says(adapter: Adapter, toy_base: Path, tmp_path: Path) -> None:
    recipe = make_recipe(toy_base, adapter)
    learned, other = open_toy(toy_base), open_toy(toy_base)
    write_adapter(learn_something(learned, recipe), recipe, "unet", {}, tmp_path)
    pipe: StableDiffusionPipeline = other.pipe
    if adapter == "oft":
        PeftModel.from_pretrained(pipe.unet, tmp_path)
    elif adapter == "lokr":
        pipe.unet.load_lora_adapter(tmp_path, weight_name=WEIGHTS_FILE, prefix="unet")
    else:
        pipe.load_lora_weights(tmp_path)
    assert torch.allclose(answer(other), answer(learned), atol=1e-4)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_is_fp32_and_learns_on_a_base_that_is_not(adapter: Adapter, toy_base: Path) -> None:
    base = open_base(toy_base, Plan(device="cpu", precision="bf16", threads=1))
    weights = add_adapter(base, make_recipe(toy_base, adapter))
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    base.predict(torch.randn(1, 4, 8, 8), TIMES[:1], base.encode_prompt(["a"])).sum().backward()
    first = ("lora_B", "lokr_w1", "oft_R")
    reached = [weight.grad is not None for name, weight in weights.items() if any(f in name for f in first)]
    assert reached
    assert all(reached)


@pytest.mark.parametrize(
    ("targets", "only"), [(("cross-attention",), "attn2"), (("attention",), "attn"), (("time",), "emb")]
)
def test_only_the_layers_that_are_named_are_adapted(
    targets: tuple[Target, ...], only: str, toy_base: Path
) -> None:
    recipe = make_recipe(toy_base).model_copy(update={"targets": targets})
    assert all(only in name for name in add_adapter(open_toy(toy_base), recipe))


def test_oft_leaves_large_convolutions_alone(toy_base: Path) -> None:
    names = add_adapter(open_toy(toy_base), make_recipe(toy_base, "oft"))
    assert any("proj_in" in name for name in names)
    assert not any("conv1" in name for name in names)


# ---------------------------------------------------------------- a rank that grows as noise falls


def test_the_rank_at_a_noise_is_the_papers() -> None:
    times = torch.tensor([0, 1, 249, 250, 500, 750, 751, 999, 1000])
    expected = [(16 - 4) * (1000 - time) // 1000 + 4 for time in times.tolist()]
    assert rank_at(times / 1000, 4, 16).tolist() == expected
    assert expected[0] == 16
    assert expected[-1] == 4


def test_each_example_has_the_rank_of_its_own_noise(toy_base: Path, tmp_path: Path) -> None:
    """At the highest noise, where the rank is 1 of 4, a change of the last two changes nothing."""
    recipe = make_recipe(toy_base).model_copy(update={"min_rank": 1})
    base = open_toy(toy_base)
    tensors = learn_something(base, recipe)
    before = answer(base)
    with torch.no_grad():
        for name, weight in tensors.items():
            if ".lora_A." in name:
                weight[2:] += 1.0  # has its place below a third of the noise
    changed = (answer(base) - before).abs().amax(dim=(1, 2, 3))
    assert changed[0] > 1e-3
    assert changed[1:].tolist() == [0.0, 0.0]
    write_adapter(tensors, recipe, "unet", {}, tmp_path)
    read = open_toy(toy_base)
    load_adapter(read, recipe, tmp_path, fuse=False)
    assert torch.allclose(answer(read), answer(base), atol=1e-4)


def test_fused_at_every_rank_it_is_what_it_is_beside_the_weights(
    untouched: Base, toy_base: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(toy_base).model_copy(update={"min_rank": 1})
    write_adapter(learn_something(open_toy(toy_base), recipe), recipe, "unet", {}, tmp_path)
    beside, fused = open_toy(toy_base), open_toy(toy_base)
    load_adapter(beside, recipe, tmp_path, fuse=False)
    load_adapter(fused, recipe, tmp_path)
    assert not any(isinstance(layer, LoraLayer) for layer in fused.denoiser.modules())

    def answer_at(base: Base, *times: int) -> torch.Tensor:
        noisy = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            return base.predict(noisy, torch.tensor(times), base.encode_prompt(["Pip", "a girl"]))

    first = answer_at(fused, 999, 999)
    for time in (999, 600, 10):
        assert torch.allclose(answer_at(fused, time, time), answer_at(beside, time, time), atol=1e-4)
    assert torch.equal(answer_at(fused, 999, 999), first)
    assert (answer_at(untouched, 10, 10) - answer_at(fused, 10, 10)).abs().max() > 1e-2
    with pytest.raises(ValueError, match="several times"):
        answer_at(fused, 10, 999)


@pytest.mark.parametrize(
    "knobs", [{"min_rank": 33}, {"min_rank": 2, "adapter": "dora"}, {"adapter": "oft", "rank": 1}]
)
def test_what_does_not_go_together_is_refused(knobs: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="rank"):
        DreamBoothLora.model_validate(knobs)


# ---------------------------------------------------------------- the pull to the base


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_change_is_measured_as_the_weights_themselves_say(
    adapter: Adapter, untouched: Base, toy_base: Path
) -> None:
    recipe = make_recipe(toy_base, adapter).model_copy(update={"targets": ("cross-attention",)})
    base = open_toy(toy_base)
    names = sorted({name.partition(".default")[0].rpartition(".")[0] for name in add_adapter(base, recipe)})
    change = measure_change(base.denoiser)
    assert change().item() == pytest.approx(0, abs=1e-9)
    with torch.no_grad():
        for name, weight in base.denoiser.named_parameters():
            if ".default" in name and "magnitude" not in name:
                weight += 0.01 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3))
    found = change()
    assert found.requires_grad
    base.pipe.unet.fuse_lora()
    shares = []
    for name in names:
        old = untouched.denoiser.get_submodule(name).weight.detach()
        new = base.denoiser.get_submodule(name).get_base_layer().weight.detach()
        shares.append(((new - old).square().sum() / old.square().sum()).item())
    expected = sum(shares) / len(shares)
    # dora holds the lengths of the weights' rows, so only a part of the product's change is left in them
    assert found.item() == pytest.approx(expected, rel=0.5 if adapter == "dora" else 0.05)


@pytest.mark.parametrize("pull", [0.0, 0.1])
def test_weights_are_read_only_where_something_pulls(
    pull: float, toy_base: Path, pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def measure(network: nn.Module) -> Change:
        measured.append(network)
        return measure_change(network)

    monkeypatch.setattr(dreambooth_lora, "measure_change", measure)
    knobs = {"pull": pull, "prior_weight": 0.0, "steps": 1, "targets": ("cross-attention",)}
    learn(pip, make_recipe(toy_base, "dora").model_copy(update=knobs), tmp_path)
    assert len(measured) == (pull > 0)


def test_a_pull_needs_no_class_pictures() -> None:
    assert DreamBoothLora().has_prior
    assert not DreamBoothLora(pull=0.1).has_prior
