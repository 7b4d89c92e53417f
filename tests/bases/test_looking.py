"""A base of Stable Diffusion 1.x's layout that was trained to look at drawings, as the embedded one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from tests.toy_base import TOKENS, WIDTH
from tests.toy_character import make_character, make_recipe
from understudy.bases.base import Base
from understudy.bases.catalog import hash_base
from understudy.bases.drawing_encoder import DrawingEncoder
from understudy.bases.fetching.needed_files import INDEX_FILE, choose_files, what_is_missing
from understudy.bases.fetching.packaged import PACKAGED
from understudy.bases.layouts import DRAWING_ENCODER
from understudy.bases.looking import LookingBase
from understudy.bases.opening import open_base
from understudy.domain import Scene, Sketch, UserError
from understudy.drawings.references import lay_on_paper
from understudy.events import ignore
from understudy.hub import HubFile
from understudy.methods import learn, open_painter
from understudy.methods.another_base import on_another_base
from understudy.methods.examples import EXAMPLES_FILE, Examples, make_examples
from understudy.methods.reference import count_references
from understudy.recipes import DrawSettings, Reference
from understudy.runs import Plan, Run

PLAN = Plan(device="cpu", precision="fp32", threads=1)
FAST = DrawSettings(steps=2, guidance=3.0)
SCENE = Scene("a picture of Pip jumping", 3)
OTHER_SCENE = Scene("a picture of a girl jumping", 3)
PLACES = 16


@pytest.fixture(scope="module")
def folder(toy_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy base, with an encoder made on the spot."""
    made = tmp_path_factory.mktemp("bases") / "shown"
    shutil.copytree(toy_base, made)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        encoder = DrawingEncoder(in_channels=4, cells=8, width=16, text_width=WIDTH)
    encoder.save_pretrained(made / DRAWING_ENCODER)
    return made


@pytest.fixture(scope="module")
def base(folder: Path) -> Base:
    return open_base(folder, PLAN)


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learn(make_character(4), make_recipe(folder), tmp_path_factory.mktemp("runs") / "run")


def test_plain_diffusers_draws_the_same_with_the_tokens_beside_the_prompt(base: Base, folder: Path) -> None:
    assert isinstance(base, LookingBase)
    drawings = [lay_on_paper(one, base.size_px) for one in make_character(2).drawings]
    given = {"num_inference_steps": 2, "guidance_scale": 3.0, "output_type": "np"}
    ours = base.drawing_pipe(None)(
        "a girl", **base.showing(drawings), generator=torch.Generator().manual_seed(3), **given
    ).images
    plain = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    plain.set_progress_bar_config(disable=True)
    hidden, negative = plain.encode_prompt("a girl", "cpu", 1, True)
    tokens = base.look_at(drawings)
    assert tokens.shape == (1, 2 * PLACES, WIDTH)
    theirs = plain(
        prompt_embeds=torch.cat([hidden, tokens], 1),
        negative_prompt_embeds=torch.cat([negative, torch.zeros_like(tokens)], 1),
        generator=torch.Generator().manual_seed(3),
        **given,
    ).images
    assert np.array_equal(ours, theirs)
    unshown = base.drawing_pipe(None)("a girl", generator=torch.Generator().manual_seed(3), **given).images
    assert np.abs(ours - unshown).max() > 1 / 255


def test_drawings_have_no_order(base: Base) -> None:
    assert isinstance(base, LookingBase)
    drawings = [lay_on_paper(one, base.size_px) for one in make_character(2).drawings]
    there, back = base.look_at(drawings), base.look_at(drawings[::-1])
    assert torch.allclose(there.roll(PLACES, 1), back, atol=1e-5)


def test_a_drawing_is_learned_beside_the_others_and_never_beside_itself(base: Base, folder: Path) -> None:
    assert isinstance(base, LookingBase)
    character = make_character(4)
    found = make_examples(base, character, make_recipe(folder), [], ignore)
    rows = found.prompts["hidden"][found.prompt]
    assert rows.shape[1] == TOKENS + 3 * PLACES
    looks = [base.look_at([lay_on_paper(one, base.size_px)])[0] for one in character.drawings]
    for unit, row in zip(found.unit.tolist(), rows, strict=True):
        shown = row[TOKENS:].split(PLACES)
        beside = {
            number
            for number, look in enumerate(looks)
            if any(torch.allclose(look, one, atol=1e-5) for one in shown)
        }
        assert beside == {0, 1, 2, 3} - {unit}
    # Neither a caption nor a drawing, from which guidance goes away.
    assert not found.prompts["hidden"][0, TOKENS:].any()


def test_class_pictures_are_learned_beside_nothing(run: Run) -> None:
    found = Examples.load(run.folder / EXAMPLES_FILE, "cpu")
    assert found.is_prior.any()
    assert not found.prompts["hidden"][found.prompt[found.is_prior], TOKENS:].any()


def test_a_run_shows_all_drawings_where_a_prompt_says_the_name(run: Run) -> None:
    with open_painter(run) as painter:
        shown, unshown = painter([SCENE, OTHER_SCENE], FAST)
    assert shown.record["references"].count(",") == 3
    assert "references" not in unshown.record


def test_what_is_shown_changes_the_picture(run: Run) -> None:
    with open_painter(run) as painter:
        all_four = next(iter(painter([SCENE], FAST))).pixels
        again = next(iter(painter([SCENE], FAST))).pixels
        one = next(iter(painter([SCENE], FAST.model_copy(update={"references": 1})))).pixels
    assert np.array_equal(all_four, again)
    assert not np.array_equal(all_four, one)


def test_on_another_base_that_looks_nothing_is_shown_unasked(run: Run, folder: Path, tmp_path: Path) -> None:
    """It may have learned on one that does not look."""
    shutil.copytree(folder, tmp_path / "sibling")
    other = DrawingEncoder(in_channels=4, cells=8, width=16, text_width=WIDTH)
    other.save_pretrained(tmp_path / "sibling" / DRAWING_ENCODER)
    moved = on_another_base(run, str(tmp_path / "sibling"))
    with open_painter(moved) as painter:
        (unasked,) = painter([SCENE], FAST)
        (asked,) = painter([SCENE], FAST.model_copy(update={"references": 2}))
    assert "references" not in unasked.record
    assert asked.record["references"].count(",") == 1


def test_a_sketch_is_drawn_over_with_the_drawings_in_sight(run: Run) -> None:
    pixels = np.full((32, 32, 3), 200, np.uint8)
    with open_painter(run) as painter:
        (drawn,) = painter([SCENE], FAST, Sketch(pixels, 0.9))
        (other,) = painter([SCENE], FAST.model_copy(update={"references": 1}), Sketch(pixels, 0.9))
    assert drawn.pixels.shape == pixels.shape
    assert not np.array_equal(drawn.pixels, other.pixels)


def test_a_word_of_its_own_learns_beside_the_drawings(folder: Path, tmp_path: Path) -> None:
    recipe = make_recipe(folder).model_copy(update={"vectors": 2})
    made = learn(make_character(3), recipe, tmp_path / "run")
    found = Examples.load(made.folder / EXAMPLES_FILE, "cpu")
    opened = open_base(folder, PLAN)
    opened.add_word("<pip>", 2, "a girl")
    rows = found.prompt[:1]
    read = opened.read_tokens(found.tokens.take(rows), found.prompts.take(rows))["hidden"]
    assert torch.equal(read[:, TOKENS:], found.prompts["hidden"][rows, TOKENS:])
    assert read.requires_grad


def test_one_drawing_alone_is_learned_beside_nothing_and_drawn_so(
    base: Base, folder: Path, tmp_path: Path
) -> None:
    found = make_examples(base, make_character(1), make_recipe(folder), [], ignore)
    assert found.prompts["hidden"].shape[1] == TOKENS
    with open_painter(learn(make_character(1), make_recipe(folder), tmp_path / "run")) as painter:
        (picture,) = painter([SCENE], FAST)
    assert "references" not in picture.record


def test_smaller_pictures_are_learned_beside_drawings_of_the_own_size(folder: Path, tmp_path: Path) -> None:
    recipe = make_recipe(folder).model_copy(update={"resolution_px": 16})
    made = learn(make_character(3), recipe, tmp_path / "run")
    found = Examples.load(made.folder / EXAMPLES_FILE, "cpu")
    assert found.mean.shape[-1] == 4
    assert found.prompts["hidden"].shape[1] == TOKENS + 2 * PLACES


def test_a_damaged_encoder_is_found_when_the_base_is_opened(folder: Path, tmp_path: Path) -> None:
    for name, damage in (("cut", b"{}"), ("other", None)):
        shutil.copytree(folder, tmp_path / name)
        into = tmp_path / name / DRAWING_ENCODER
        if damage is None:  # of a base whose latents have more channels
            DrawingEncoder(in_channels=6, cells=8, width=16, text_width=WIDTH).save_pretrained(into)
        else:
            (into / "diffusion_pytorch_model.safetensors").write_bytes(damage)
        with pytest.raises(UserError, match="get the base again"):
            open_base(tmp_path / name, PLAN)


def test_without_learning_the_base_draws_what_it_is_shown(folder: Path, tmp_path: Path) -> None:
    made = learn(make_character(3), Reference(base=str(folder)), tmp_path / "run")
    with open_painter(made) as painter:
        (picture,) = painter([SCENE], FAST)
    assert picture.record["references"].count(",") == 2


def test_the_base_that_comes_with_the_package_is_known_by_its_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="cannot be shown drawings"):
        count_references(Reference(), "puppet")
    monkeypatch.setitem(PACKAGED, "puppet", folder)
    assert count_references(Reference(), "puppet") == Reference().max_references


def test_the_encoder_is_fetched_with_the_parts(folder: Path, tmp_path: Path) -> None:
    index = json.loads((folder / INDEX_FILE).read_text())
    files = [
        HubFile(path.relative_to(folder).as_posix(), path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file()
    ]
    chosen = {file.path for file in choose_files(files, index, "somebody/base")}
    assert {
        f"{DRAWING_ENCODER}/config.json",
        f"{DRAWING_ENCODER}/diffusion_pytorch_model.safetensors",
    } <= chosen
    shutil.copytree(folder, tmp_path / "half")
    (tmp_path / "half" / DRAWING_ENCODER / "diffusion_pytorch_model.safetensors").unlink()
    assert DRAWING_ENCODER in what_is_missing(tmp_path / "half")
    assert not what_is_missing(folder)


def test_another_encoder_is_another_base(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "other")
    DrawingEncoder(in_channels=4, cells=8, width=16, text_width=WIDTH).save_pretrained(
        tmp_path / "other" / DRAWING_ENCODER
    )
    assert hash_base(tmp_path / "other") != hash_base(folder)
