"""The autoencoder's decoder learns the drawings, and is drawn with; nothing else of the base changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from tests.toy_character import make_recipe
from understudy.bases.base import Base
from understudy.bases.opening import open_base
from understudy.bases.recommended import recommended_knobs
from understudy.bases.unets import decode_latents
from understudy.domain import Character, Scene, UserError
from understudy.events import Cancelled, Event, Step, ignore
from understudy.exporting import export
from understudy.methods import decoder, learn, learn_together, open_painter
from understudy.methods.decoder import FIGURE_WEIGHT, UNFINISHED_FILE, weigh_figures
from understudy.methods.examples import Examples, list_views
from understudy.methods.learned_decoder import DECODER_FILE, load_decoder
from understudy.recipes import DrawSettings, DreamBooth, DreamBoothLora, Lora, TextualInversion
from understudy.runs import Plan, Run

SETTINGS = DrawSettings(steps=3, batch=1)
SCENES = [Scene("a picture of Pip waving", 4)]


def make_taught(base: Path) -> DreamBoothLora:
    return make_recipe(base).model_copy(update={"steps": 60, "decoder_share": 0.7, "snapshot_every": 60})


@pytest.fixture(scope="module")
def taught(toy_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose decoder learned, undisturbed; tests only read it."""
    return learn(pip, make_taught(toy_base), tmp_path_factory.mktemp("taught"))


@pytest.fixture(scope="module")
def untaught(toy_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same without; tests only read it."""
    recipe = make_taught(toy_base).model_copy(update={"decoder_share": 0.0})
    return learn(pip, recipe, tmp_path_factory.mktemp("untaught"))


def open_toy(toy_base: Path) -> Base:
    return open_base(toy_base, Plan(device="cpu", precision="fp32", threads=1))


def error_of(base: Base, run: Run, toy_base: Path, pip: Character) -> float:
    """The mean absolute error of the decoded drawings."""
    examples = Examples.load(run.folder / "examples.safetensors", "cpu")
    views = list_views(base, pip, make_taught(toy_base), run, ignore)
    drawn = ~examples.is_prior
    pixels = torch.from_numpy(np.stack([view.pixels for view in views])).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        return (decode_latents(base.pipe.vae, examples.mean[drawn]) - pixels[drawn]).abs().mean().item()


def test_the_drawings_come_out_of_their_latents_more_alike(
    taught: Run, toy_base: Path, pip: Character
) -> None:
    base = open_toy(toy_base)
    before = {name: tensor.clone() for name, tensor in base.pipe.vae.state_dict().items()}
    as_it_was = error_of(base, taught, toy_base, pip)
    load_decoder(base, make_taught(toy_base), taught, ignore)
    assert error_of(base, taught, toy_base, pip) < 0.7 * as_it_was
    changed = {name for name, tensor in base.pipe.vae.state_dict().items() if not tensor.equal(before[name])}
    assert changed
    assert all(name.startswith(("decoder.", "post_quant_conv.")) for name in changed)


def test_the_adapter_is_what_it_would_be_without(taught: Run, untaught: Run) -> None:
    one, other = taught.newest(), untaught.newest()
    assert one is not None
    assert other is not None
    assert one.weights
    for file in one.weights:
        mine, plain = load_file(one.folder / file), load_file(other.folder / file)
        assert mine.keys() == plain.keys()
        assert all(mine[name].equal(plain[name]) for name in mine)


def test_plain_diffusers_draws_the_same_with_the_file(taught: Run, untaught: Run, toy_base: Path) -> None:
    with open_painter(taught) as painter:
        (picture,) = painter(SCENES, SETTINGS)
    with open_painter(untaught) as painter:
        (plain,) = painter(SCENES, SETTINGS)
    assert abs(picture.pixels.astype(int) - plain.pixels).mean() > 1
    assert len(picture.record["decoder_sha256"]) == 64
    assert "decoder_sha256" not in plain.record
    newest = taught.newest()
    assert newest is not None
    pipe = StableDiffusionPipeline.from_pretrained(toy_base, torch_dtype=torch.float32, safety_checker=None)
    pipe.load_lora_weights(str(newest.folder))
    pipe.vae.load_state_dict(load_file(taught.folder / DECODER_FILE), strict=False)
    image = pipe(
        SCENES[0].prompt,
        num_inference_steps=SETTINGS.steps,
        guidance_scale=SETTINGS.guidance,
        generator=torch.Generator("cpu").manual_seed(SCENES[0].seed),
        output_type="np",
    ).images[0]
    assert abs(np.round(image * 255) - picture.pixels).mean() <= 1


def test_who_exports_is_told_what_other_tools_lack(taught: Run, untaught: Run, tmp_path: Path) -> None:
    said: dict[str, list[Event]] = {"taught": [], "untaught": []}
    for name, run in (("taught", taught), ("untaught", untaught)):
        export(run.folder, "diffusers", tmp_path / "pip.safetensors", notify=said[name].append)
    assert any(DECODER_FILE in str(event) for event in said["taught"])
    assert not any(DECODER_FILE in str(event) for event in said["untaught"])


def cancel_at(step: int) -> Callable[[Event], None]:
    def notify(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "decoder" and event.done == step:
            raise Cancelled

    return notify


def test_a_stop_and_a_kill_end_in_the_same_decoder(
    taught: Run, toy_base: Path, pip: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_taught(toy_base)
    with pytest.raises(Cancelled):
        learn(pip, recipe, tmp_path, notify=cancel_at(7))
    assert (tmp_path / UNFINISHED_FILE).exists()

    def die(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "decoder" and event.done == 21:
            raise KeyboardInterrupt

    monkeypatch.setattr(decoder, "MAX_LOST_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        learn(pip, recipe, tmp_path, notify=die)
    steps: list[int] = []

    def listen(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "decoder":
            steps.append(event.done)

    learn(pip, recipe, tmp_path, notify=listen)
    assert steps[0] == 21
    assert (tmp_path / DECODER_FILE).read_bytes() == (taught.folder / DECODER_FILE).read_bytes()
    assert not (tmp_path / UNFINISHED_FILE).exists()


def test_a_damaged_file_is_one_sentence(taught: Run, toy_base: Path, tmp_path: Path) -> None:
    content = (taught.folder / DECODER_FILE).read_bytes()
    for damaged in (content[:-9], b"nothing"):
        (tmp_path / DECODER_FILE).write_bytes(damaged)
        with pytest.raises(UserError, match=f"{DECODER_FILE} is damaged: bring it back"):
            load_decoder(open_toy(toy_base), make_taught(toy_base), Run(tmp_path), ignore)


def test_runs_that_learn_together_have_the_decoder_of_one_alone(
    taught: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe = make_taught(toy_base)
    other = recipe.model_copy(update={"learning_rate": 1e-4})
    learn_together(pip, {tmp_path / "one": recipe, tmp_path / "other": other})
    alone = load_file(taught.folder / DECODER_FILE)
    for name in ("one", "other"):
        together = load_file(tmp_path / name / DECODER_FILE)
        assert together.keys() == alone.keys()
        assert all(torch.allclose(together[key], alone[key], atol=1e-5) for key in alone)


@pytest.mark.parametrize("kind", [DreamBoothLora, Lora, DreamBooth, TextualInversion])
def test_every_method_teaches_as_much_and_the_study_and_large_bases_nothing(
    kind: type[DreamBoothLora | Lora | DreamBooth | TextualInversion],
) -> None:
    assert kind(base="puppet").decoder_steps == 120
    assert {kind.from_preset(name).decoder_steps for name in kind.presets} == {0}
    assert recommended_knobs("sdxl", kind.model_fields["method"].default)["decoder_share"] == 0


def test_it_learns_in_fp32_whatever_the_base_computes_in(
    taught: Run, toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    recipe = make_taught(toy_base).model_copy(update={"precision": "bf16"})
    run = learn(pip, recipe, tmp_path)
    learned, alike = (load_file(one.folder / DECODER_FILE) for one in (run, taught))
    assert {tensor.dtype for tensor in learned.values()} == {torch.float32}
    base = open_toy(toy_base)
    before = dict(base.pipe.vae.named_parameters())
    changes = [torch.cat([(one[k] - before[k].detach()).flatten() for k in one]) for one in (learned, alike)]
    assert torch.cosine_similarity(*changes, dim=0) > 0.5
    with open_painter(run) as painter:
        (picture,) = painter(SCENES, SETTINGS)
    assert "decoder_sha256" in picture.record


def test_a_class_picture_counts_no_more_than_a_drawing() -> None:
    figures = torch.ones(2, 1, 4, 4)
    figures[0, :, 1:] = 0
    drawing, whole = weigh_figures(figures)
    assert drawing.mean().item() == pytest.approx(1) == whole.mean().item()
    assert torch.allclose(drawing[:, 0], FIGURE_WEIGHT * drawing[:, 1])
