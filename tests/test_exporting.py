"""What is exported draws the same picture elsewhere, and says whom it shows and whose it is."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from tests.toy_base import make_toy_base
from tests.toy_character import make_recipe, make_recipe_from_nothing, make_word_recipe
from understudy.bases.catalog import find_base
from understudy.domain import Character, Rights, UserError
from understudy.events import Event, Note, Notify, ignore
from understudy.exporting import Form, export
from understudy.methods import learn, open_painter, opening
from understudy.methods.painting import PipelinePainter
from understudy.recipes import Adapter
from understudy.runs import Run, open_run

LAYERS = ("mid_block.attentions.0.transformer_blocks.0.attn2.to_q", "down_blocks.0.resnets.0.conv1")
ZOE = Rights("Zoë", "CC-BY-4.0", "learning", "2026-11-01")


@pytest.fixture(scope="module")
def plain_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only layers that Stable Diffusion 1.5 has too."""
    return make_toy_base(tmp_path_factory.mktemp("bases") / "plain", addition=None)


def learn_pip(base: Path, pip: Character, folder: Path, adapter: Adapter = "lora", **knobs: object) -> Run:
    """All kinds of layers; alpha is not the rank."""
    few = {"steps": 6, "learning_rate": 0.02, "prior_weight": 0.0, "averaging": 0.0, **knobs}
    recipe = make_recipe(base, adapter).model_copy(update=few)
    assert recipe.alpha != recipe.rank
    return learn(replace(pip, rights=ZOE), recipe, folder)


def answer(pipe: StableDiffusionPipeline) -> Tensor:
    noisy = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        words = pipe.encode_prompt(["a picture of Pip", "Pip"], "cpu", 1, False)[0]
        found: Tensor = pipe.unet(noisy, torch.tensor([100, 900]), encoder_hidden_states=words).sample
    return found


def answer_of(run: Run) -> Tensor:
    with open_painter(run) as painter:
        assert isinstance(painter, PipelinePainter)
        return answer(painter.base.pipe)


def open_plainly(base: Path) -> StableDiffusionPipeline:
    return StableDiffusionPipeline.from_pretrained(base, safety_checker=None)


@pytest.mark.parametrize("adapter", ["lora", "rslora"])
@pytest.mark.parametrize("text_learning_rate", [0.0, 0.02])
def test_diffusers_reads_the_same_adapter_from_it(
    adapter: Adapter, text_learning_rate: float, plain_base: Path, pip: Character, tmp_path: Path
) -> None:
    run = learn_pip(plain_base, pip, tmp_path / "run", adapter, text_learning_rate=text_learning_rate)
    ours = answer_of(run)
    for form in get_args(Form):
        (path,) = export(run, form, tmp_path / f"{form}.safetensors")
        pipe = open_plainly(plain_base)
        before = answer(pipe)
        pipe.load_lora_weights(tmp_path, weight_name=path.name)
        assert torch.allclose(answer(pipe), ours, atol=1e-4), form
        assert not torch.allclose(answer(pipe), before, atol=1e-2), form


def test_it_has_the_names_that_comfyui_and_a1111_look_for(
    plain_base: Path, pip: Character, tmp_path: Path
) -> None:
    run = learn_pip(plain_base, pip, tmp_path, text_learning_rate=0.02)
    (path,) = export(run)
    tensors = load_file(path)
    layers = {name.partition(".")[0] for name in tensors}
    for layer in (
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k",
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj",
        "lora_unet_up_blocks_0_attentions_1_transformer_blocks_0_attn1_to_out_0",
        "lora_unet_down_blocks_0_resnets_0_conv1",
        "lora_unet_down_blocks_0_resnets_0_time_emb_proj",
        "lora_unet_down_blocks_0_downsamplers_0_conv",
        "lora_te_text_model_encoder_layers_1_self_attn_q_proj",
    ):
        assert layer in layers
    for layer in layers:
        down, up = tensors[f"{layer}.lora_down.weight"], tensors[f"{layer}.lora_up.weight"]
        assert tensors[f"{layer}.alpha"].item() == down.shape[0] == up.shape[1]
        assert tensors[f"{layer}.alpha"].shape == ()
    assert len(tensors) == 3 * len(layers)


@dataclass(frozen=True)
class Layer:
    """Of an exported file: its tensors, and the weights of the layer before and after."""

    part: dict[str, Tensor]
    before: Tensor
    after: Tensor


def export_layers(run: Run, base: Path) -> list[Layer]:
    """A linear one and a convolution."""
    tensors, pipe = load_file(export(run)[0]), open_plainly(base)
    layers = []
    with open_painter(run) as painter:
        assert isinstance(painter, PipelinePainter)
        for name in LAYERS:
            prefix = f"lora_unet_{name.replace('.', '_')}."
            part = {key.removeprefix(prefix): one for key, one in tensors.items() if key.startswith(prefix)}
            before = pipe.unet.get_submodule(name).weight.detach()
            after = painter.base.denoiser.get_submodule(name).get_base_layer().weight.detach()
            layers.append(Layer(part, before, after))
    return layers


def test_lokr_has_the_names_of_lycoris_and_the_same_product(
    plain_base: Path, pip: Character, tmp_path: Path
) -> None:
    """As ComfyUI makes a layer's change of them: kron(w1, w2) alpha / rank, in the layer's shape."""
    run = learn_pip(plain_base, pip, tmp_path, "lokr")
    for layer in export_layers(run, plain_base):
        second, strength = layer.part.get("lokr_w2"), 1.0
        if second is None:
            second = layer.part["lokr_w2_a"] @ layer.part["lokr_w2_b"]
            strength = layer.part["alpha"].item() / len(layer.part["lokr_w2_b"])
        first = layer.part["lokr_w1"]
        first = first.reshape(*first.shape, *[1] * (second.dim() - 2))
        change = strength * torch.kron(first, second).reshape(layer.before.shape)
        assert torch.allclose(layer.before + change, layer.after, atol=1e-5)
        assert change.abs().max() > 1e-3


def test_dora_has_one_magnitude_for_each_output(plain_base: Path, pip: Character, tmp_path: Path) -> None:
    """As ComfyUI and LyCORIS make a layer's weights of them: scaled to the magnitude, output by output."""
    run = learn_pip(plain_base, pip, tmp_path, "dora")
    for layer in export_layers(run, plain_base):
        down, up = (layer.part[f"lora_{which}.weight"].flatten(1) for which in ("down", "up"))
        moved = layer.before + (up @ down).reshape(layer.before.shape)
        length = moved.flatten(1).norm(dim=1).reshape(-1, *[1] * (moved.dim() - 1))
        magnitude = layer.part["dora_scale"]
        assert magnitude.shape == length.shape
        assert torch.allclose(moved * magnitude / length, layer.after, atol=1e-4)


def test_it_says_whom_it_shows_on_which_base_and_whose_it_is(
    plain_base: Path, pip: Character, tmp_path: Path
) -> None:
    run = learn_pip(plain_base, pip, tmp_path)
    (path,) = export(run)
    assert path == tmp_path / "exported" / "pip-kohya.safetensors"
    with safe_open(path, "pt") as file:
        facts = file.metadata()
    assert facts["modelspec.title"] == facts["modelspec.trigger_phrase"] == "Pip"
    assert facts["modelspec.author"] == facts["drawings_artist"] == "Zoë"
    assert facts["modelspec.license"] == facts["drawings_licence"] == "CC-BY-4.0"
    assert facts["modelspec.resolution"] == "32x32"
    assert facts["modelspec.prediction_type"] == "v"
    assert facts["ss_sd_model_name"] == "plain"
    assert str(plain_base.parent) not in str(facts)
    # No tool may take it for what it is not: this base is smaller than Stable Diffusion's.
    assert facts["modelspec.architecture"] == "understudy-plain/lora"
    tags = json.loads(facts["ss_tag_frequency"])["Pip"]
    assert tags["Pip"] == len(pip.drawings)
    again = path.read_bytes()
    export(run)
    assert path.read_bytes() == again


def test_what_readers_do_otherwise_is_said(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    run = learn_pip(toy_base, pip, tmp_path, min_rank=2, vectors=2, word_steps=2)
    seen: list[Event] = []
    paths = export(run, notify=seen.append)
    said = " ".join(event.text for event in seen if isinstance(event, Note))
    for what in ("cannot open the base", "whole rank", "add_embedding", "pip-kohya-word.safetensors"):
        assert what in said
    assert [path.name for path in paths] == ["pip-kohya.safetensors", "pip-kohya-word.safetensors"]


def test_a_word_alone_is_exported_too(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    run = learn(pip, make_word_recipe(toy_base), tmp_path / "run")
    (path,) = export(run, out=tmp_path / "pip.safetensors")
    assert set(load_file(path)) == {"<pip>"}


def test_earlier_weights_are_exported_by_their_step(plain_base: Path, pip: Character, tmp_path: Path) -> None:
    run = learn_pip(plain_base, pip, tmp_path)
    newest = load_file(export(run)[0])
    earlier = load_file(export(run, step=3)[0])
    assert newest.keys() == earlier.keys()
    assert any(not torch.equal(one, earlier[name]) for name, one in newest.items())
    with pytest.raises(UserError, match="give one of 3, 6"):
        export(run, step=4)


def test_what_has_no_such_file_is_refused(plain_base: Path, pip: Character, tmp_path: Path) -> None:
    gan = learn(pip, make_recipe_from_nothing("gan"), tmp_path / "gan")
    with pytest.raises(UserError, match="learns no adapter"):
        export(gan)
    oft = learn_pip(plain_base, pip, tmp_path / "oft", "oft")
    with pytest.raises(UserError, match="peft alone"):
        export(open_run(oft))
    with pytest.raises(UserError, match="safetensors"):
        export(oft, out=tmp_path / "pip.bin")


def test_a_base_given_by_a_relative_path_is_found_from_anywhere(
    plain_base: Path, pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plain_base.parent)
    run = learn_pip(Path(plain_base.name), pip, tmp_path / "run", steps=1)
    monkeypatch.chdir(tmp_path)
    assert [path.is_file() for path in export(run.folder)] == [True]


def test_a_base_that_must_be_fetched_anew_is_told_of(
    plain_base: Path, pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(name: str, notify: Notify = ignore) -> Path:
        notify(Note("fetching"))
        return find_base(name)

    run = learn_pip(plain_base, pip, tmp_path / "run", steps=1)
    events: list[Event] = []
    monkeypatch.setattr(opening, "find_base", fetch)
    with open_painter(run, notify=events.append):
        assert Note("fetching") in events
