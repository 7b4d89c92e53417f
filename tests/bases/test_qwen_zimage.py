"""What is odd about Qwen-Image and Z-Image: ragged words, packed latents, times, sketches, layers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from tests.bases.toy_words import SPECIAL
from tests.bases.toys import at_toy_size, make_toy
from tests.toy_character import make_character, make_recipe
from understudy.bases.base import Base
from understudy.bases.catalog import find_side_px
from understudy.bases.conditioning import Conditioning
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.domain import Pixels, Scene, Sketch, UserError
from understudy.events import Event, Note, Step
from understudy.exporting import Form, export
from understudy.methods import learn, open_painter
from understudy.methods.adapters import add_adapter
from understudy.methods.painting import PipelinePainter
from understudy.recipes import Adapter, DrawSettings, DreamBoothLora
from understudy.runs import Plan, Run

CPU = Plan(device="cpu", precision="fp32", threads=1)
MOST_LETTERS = {"qwen": 512, "zimage": 512 - len("_user\n")}
"""Of a prompt, of which the toys read each letter as a token; the chat's beginning is read or dropped."""


@pytest.fixture(scope="module", params=["qwen", "zimage"])
def family(request: pytest.FixtureRequest) -> Iterator[Family]:
    with at_toy_size():
        yield request.param


@pytest.fixture(scope="module")
def folder(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy(family, tmp_path_factory.mktemp("bases") / family)


@pytest.fixture
def base(folder: Path) -> Base:
    return open_base(folder, CPU)


@pytest.fixture(scope="module")
def learned(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    few = {"prior_weight": 0.0, "averaging": 0.0, "learning_rate": 0.02}
    return learn(make_character(), make_recipe(folder).model_copy(update=few), tmp_path_factory.mktemp("run"))


def noisy_latents(count: int, side: int = 8) -> Tensor:
    return torch.randn(count, 4, side, side, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_a_short_prompt_is_read_alike_beside_a_long_one(base: Base) -> None:
    noisy, times = noisy_latents(2), torch.tensor([300.0, 700.0])
    both = base.encode_prompt(["Pip", "a picture of Pip who waves at an elephant"])
    assert both["mask"].sum(dim=1).diff().item() > 30
    answers = base.predict(noisy, times, both)
    alone = base.predict(noisy[:1], times[:1], base.encode_prompt(["Pip"]))
    assert torch.allclose(answers[:1], alone, atol=1e-4)
    # What fills up a row is never looked at.
    filled = torch.where(both["mask"][..., None] > 0, both["hidden"], 9.0)
    again = base.predict(noisy, times, Conditioning({**both.tensors, "hidden": filled}))
    assert torch.allclose(again, answers, atol=1e-5)


@torch.no_grad()
def test_prompts_read_one_by_one_are_those_read_together(base: Base) -> None:
    prompts = ["Pip", "", "a picture of Pip"]
    together = base.encode_prompt(prompts)
    joined = Conditioning.join([base.encode_prompt([prompt]) for prompt in prompts])
    assert torch.equal(together["mask"], joined["mask"])
    assert torch.allclose(together["hidden"], joined["hidden"], atol=1e-5)


def test_reading_leaves_the_prompts_alone(base: Base) -> None:
    prompts = ["Pip", "a tree"]
    base.encode_prompt(prompts)
    base.drawing_pipe(None)(**base.asking(prompts, prompts, 3.0), num_inference_steps=2, width=32, height=32)
    assert prompts == ["Pip", "a tree"]


@torch.no_grad()
def test_a_prompt_is_cut_where_it_is_no_longer_read(base: Base, family: Family) -> None:
    fits = "x" * (MOST_LETTERS[family] - 3) + "end"
    assert base.readable_part(fits) == fits
    assert base.readable_part(fits + "1") == base.readable_part(fits + "less") == fits
    assert base.readable_part("") == ""
    # As the pipeline has it: the last letter that fits counts, and none after it.
    read = [base.encode_prompt([prompt])["hidden"] for prompt in (fits + "1", fits + "2", fits[:-1] + "12")]
    assert torch.equal(read[0], read[1])
    assert not torch.equal(read[0], read[2])


def test_only_the_templates_own_words_are_dropped(base: Base, family: Family) -> None:
    length = int(base.encode_prompt(["Pip"])["mask"].sum())
    after = ["<|im_end|>", "\n", "<|im_start|>", *"assistant", "\n"]
    before = {"qwen": [], "zimage": ["<|im_start|>", *"user", "\n"]}[family]
    assert length == len([*before, *"Pip", *after])
    assert set(SPECIAL) <= set(base.pipe.tokenizer.get_vocab())


def test_the_share_of_noise_is_what_the_denoiser_hears(base: Base) -> None:
    heard: list[Tensor] = []

    def listen(module: object, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        heard.append(given[1] if given else named["timestep"])

    base.denoiser.register_forward_pre_hook(listen, with_kwargs=True)
    with torch.no_grad():
        base.predict(noisy_latents(2), torch.tensor([250.0, 900.0]), base.encode_prompt(["a", "b"]))
    assert base.noise_heard(heard[0]).tolist() == pytest.approx([0.25, 0.9])


def test_a_rank_that_falls_with_noise_is_drawn_as_it_was_learned(folder: Path, tmp_path: Path) -> None:
    """Every layer that adapts has the ranks of the batch's times, in learning and in guided drawing."""
    knobs = {"min_rank": 2, "prior_weight": 0.0, "learning_rate": 0.02}
    recipe = make_recipe(folder).model_copy(update=knobs)
    run = learn(make_character(), recipe, tmp_path / "run")
    with open_painter(run) as painter:
        pictures = list(painter([Scene("Pip", 1), Scene("Pip", 2)], DrawSettings(steps=2, guidance=3.0)))
    assert len(pictures) == 2


def test_guidance_of_one_is_none_and_more_leads_away_from_the_negative(base: Base) -> None:
    def draw(guidance: float, negative: str) -> Pixels:
        pipe = base.drawing_pipe(None)
        asked = base.asking(["Pip"], [negative], guidance)
        generator = torch.Generator().manual_seed(1)
        drawn: Pixels = pipe(
            **asked, num_inference_steps=2, generator=generator, width=32, height=32, output_type="np"
        ).images
        return drawn

    assert np.array_equal(draw(1.0, ""), draw(1.0, "a very old tree"))
    assert not np.array_equal(draw(4.0, ""), draw(1.0, ""))
    assert not np.array_equal(draw(4.0, ""), draw(4.0, "a very old tree"))


def test_a_sketch_may_be_wide_and_takes_the_last_steps_only(learned: Run) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    seen: list[Event] = []
    settings = DrawSettings(steps=10, guidance=1.0, width=64, height=32)
    for strength, steps in ((0.3, 3), (0.95, 9), (1.0, 10)):
        seen.clear()
        with open_painter(learned, notify=seen.append) as painter:
            (picture,) = painter([Scene("Pip", 1)], settings, Sketch(pixels, strength))
        assert picture.pixels.shape == (32, 64, 3)
        told = [(event.done, event.total) for event in seen if isinstance(event, Step)]
        assert told == [(number, steps) for number in range(1, steps + 1)]


def test_a_scheduler_that_the_pipelines_cannot_be_given_is_refused(base: Base, family: Family) -> None:
    with pytest.raises(UserError, match="does not draw by unipc: take euler"):
        base.redrawing_pipe("unipc")
    if family == "zimage":
        with pytest.raises(UserError, match="does not draw by unipc: take euler"):
            base.drawing_pipe("unipc")


def test_what_lies_outside_the_mask_stays(learned: Run) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
    mask = np.zeros((32, 32), np.uint8)
    mask[:, 16:] = 255
    with open_painter(learned) as painter:
        assert isinstance(painter, PipelinePainter)
        base = painter.base
        latents: list[Tensor] = []
        decode = base.pipe.vae.decode

        def listen(found: Tensor, return_dict: bool) -> object:
            latents.append(found)
            return decode(found, return_dict=return_dict)

        base.pipe.vae.decode = listen
        list(painter([Scene("Pip", 1)], DrawSettings(steps=4), Sketch(pixels, 0.8, mask)))
        picture = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
        base.pipe.vae.decode(_as_decoded(base, base.encode_image(picture).mean), return_dict=False)
    found, known = (one.reshape(4, 8, 8) for one in latents)
    assert torch.allclose(found[..., :4], known[..., :4], atol=1e-5)
    assert not torch.allclose(found[..., 4:], known[..., 4:], atol=0.1)


def _as_decoded(base: Base, latents: Tensor) -> Tensor:
    """As the pipeline hands them to its autoencoder."""
    config = base.pipe.vae.config
    if config.latents_mean is None:
        decoded: Tensor = latents / config.scaling_factor + config.shift_factor
        return decoded
    mean, std = (torch.tensor(stated)[:, None, None] for stated in (config.latents_mean, config.latents_std))
    return (latents * std + mean)[:, :, None]


def test_every_kind_of_layer_that_is_named_adapts(base: Base, folder: Path) -> None:
    for target in ("attention", "cross-attention", "feed-forward"):
        recipe = DreamBoothLora.model_validate({"base": str(folder), "targets": [target], "rank": 2})
        adapted = add_adapter(open_base(folder, CPU), recipe)
        assert adapted, target


def test_the_folder_says_how_large_its_pictures_are(base: Base, folder: Path) -> None:
    assert find_side_px(folder) == base.size_px == 32
    assert base.cell_px == 8


@pytest.mark.parametrize("adapter", ["dora", "lokr"])
@pytest.mark.parametrize("form", ["kohya", "diffusers"])
def test_who_reads_another_adapter_is_said_as_it_is(
    adapter: Adapter, form: Form, family: Family, folder: Path, tmp_path: Path
) -> None:
    few = {"prior_weight": 0.0, "averaging": 0.0, "learning_rate": 0.02}
    run = learn(make_character(1), make_recipe(folder, adapter).model_copy(update=few), tmp_path / "run")
    with open_painter(run) as painter:
        assert isinstance(painter, PipelinePainter)
        expected = _answer(painter.base)
    seen: list[Event] = []
    (path,) = export(run, form, tmp_path / "pip.safetensors", notify=seen.append)
    said = " ".join(event.text for event in seen if isinstance(event, Note))
    base = open_base(folder, CPU)
    with suppress(ValueError):  # diffusers' own, for what it does not know
        base.pipe.load_lora_weights(tmp_path, weight_name=path.name)
    reads = torch.allclose(_answer(base), expected, atol=1e-4)
    assert reads != ("diffusers does not" in said or "load_lora_adapter" in said)


@torch.no_grad()
def _answer(base: Base) -> Tensor:
    return base.predict(noisy_latents(1), torch.tensor([500.0]), base.encode_prompt(["Pip"]))


def test_its_exported_layers_are_those_that_comfyui_knows(
    learned: Run, family: Family, tmp_path: Path
) -> None:
    """ComfyUI's denoiser of Qwen-Image has diffusers' layers; that of Z-Image has others by these names, too.

    Source: ComfyUI's comfy/lora.py, model_lora_keys_unet, and comfy/utils.py, z_image_to_diffusers.
    """
    seen: list[Event] = []
    (path,) = export(learned, "kohya", tmp_path / "pip.safetensors", notify=seen.append)
    layers = {re.sub(r"\.(lora_(down|up)\.weight|alpha)$", "", name) for name in load_file(path)}
    with open_painter(learned) as painter:
        assert isinstance(painter, PipelinePainter)
        names = {name for name, layer in painter.base.denoiser.named_modules() if hasattr(layer, "lora_A")}
    said = " ".join(event.text for event in seen if isinstance(event, Note))
    if family == "qwen":
        assert layers == {f"lora_unet_{name.replace('.', '_')}" for name in names}
        assert "each keeps its own" not in said
    else:
        block = r"(layers|noise_refiner|context_refiner)\.\d+"
        layer = r"(attention\.(to_q|to_k|to_v|to_out\.0)|feed_forward\.w[123])"
        assert all(re.fullmatch(rf"diffusion_model\.{block}\.{layer}", name) for name in layers)
        assert layers == {f"diffusion_model.{name}" for name in names}
        assert "each keeps its own" in said
    with safe_open(path, "pt") as file:
        facts = file.metadata()
    assert facts["modelspec.resolution"] == "32x32"
    assert "modelspec.prediction_type" not in facts
