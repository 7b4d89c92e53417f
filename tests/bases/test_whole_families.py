"""The whole denoiser of every large family: it learns, is kept in both forms, and goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from diffusers import DiffusionPipeline
from safetensors.torch import load_file

from tests.bases.learned_share import share_of_error
from tests.bases.plain_drawing import difference, draw_plainly
from tests.bases.toys import at_toy_size, make_toy
from tests.killing import Killed
from tests.methods.saved_state import assert_same_state
from tests.toy_character import make_character
from understudy.bases.base import Base
from understudy.bases.catalog import find_base
from understudy.bases.layouts import Family
from understudy.bases.opening import open_base
from understudy.domain import Pixels, Scene
from understudy.events import Event, Step
from understudy.methods import learn, open_painter
from understudy.methods.painting import PipelinePainter
from understudy.methods.whole_weights import DIFFERENCE_FILE, PIPELINE_FOLDER
from understudy.recipes import DrawSettings, DreamBooth
from understudy.runs import Plan, Run

PLAN = Plan(device="cpu", precision="fp32", threads=1)
SIX = make_character(6)
SCENE = Scene("Pip", 3)
FEW = DrawSettings(steps=3, guidance=3.0)
UNREAD = "add_q_proj|norm_added_q|to_add_out|txt_mlp"
"""In the last block nothing reads what these make of the words."""
LARGE: tuple[Family, ...] = ("sdxl", "sd3", "flux", "flux2", "qwen", "zimage")
"""Kontext and Qwen-Image-Edit have the denoisers of FLUX.1 and Qwen-Image."""


@pytest.fixture(scope="module", params=LARGE)
def family(request: pytest.FixtureRequest) -> Iterator[Family]:
    with at_toy_size():
        yield request.param


@pytest.fixture(scope="module")
def folder(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy(family, tmp_path_factory.mktemp("bases") / family)


@pytest.fixture(scope="module")
def base(folder: Path) -> Base:
    return open_base(find_base(str(folder)), PLAN)


def make_recipe(folder: Path, **knobs: object) -> DreamBooth:
    few: dict[str, object] = {
        "steps": 12,
        "learning_rate": 3e-3,
        "warmup_steps": 2,
        "batch": 6,
        "views": 2,
        "snapshot_every": 10,
        "prior_weight": 0.0,
        "averaging": 0.0,
        "caption_dropout": 0.0,
    }
    return DreamBooth.model_validate({**few, "base": str(folder), **knobs})


@pytest.fixture(scope="module")
def added(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What is learned, kept as the difference."""
    return learn(SIX, make_recipe(folder), tmp_path_factory.mktemp("added") / folder.name)


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same, kept as a pipeline."""
    return learn(SIX, make_recipe(folder, save_as="pipeline"), tmp_path_factory.mktemp("whole") / folder.name)


@pytest.fixture(scope="module")
def drawn(whole: Run) -> tuple[Pixels, str]:
    """What the pipeline draws by us, and the prompt as it is read."""
    with open_painter(whole) as painter:
        assert isinstance(painter, PipelinePainter)
        (picture,) = painter([SCENE], FEW)
        return picture.pixels, painter.read(SCENE.prompt)


def newest(run: Run) -> Path:
    checkpoint = run.newest()
    assert checkpoint is not None
    return checkpoint.folder


def plainly(folder: Path, base: Base, prompt: str) -> Pixels:
    """What plain diffusers draws with the pipeline in a folder."""
    pipe = DiffusionPipeline.from_pretrained(folder)
    return draw_plainly(pipe, base, prompt, SCENE.seed, FEW.steps, FEW.guidance)


def test_learns_from_six_drawings(added: Run, base: Base) -> None:
    """Of what is loaded back from the difference."""
    assert share_of_error(added, base, SIX) < 0.85  # 0.41 to 0.69


def test_all_of_the_denoiser_and_nothing_else_learns(added: Run, base: Base) -> None:
    changes = load_file(newest(added) / DIFFERENCE_FILE)
    names = {name for name, _ in base.denoiser.named_parameters()}
    assert changes.keys() == {f"{base.denoiser_part}.{name}" for name in names}
    still = [name for name, change in changes.items() if not change.any()]
    assert all(re.search(f"{last_block(names)}.*({UNREAD})", name) for name in still), still


def last_block(names: set[str]) -> str:
    """What the names begin with of the last of the blocks that have the words' own layers."""
    blocks = {name.rsplit(".attn.", 1)[0] for name in names if ".attn.add_q_proj." in name}
    return max(blocks, default="none")


def test_a_difference_draws_what_the_pipeline_draws(added: Run, drawn: tuple[Pixels, str]) -> None:
    with open_painter(added) as painter:
        (picture,) = painter([SCENE], FEW)
    assert difference(picture.pixels, drawn[0]) < 0.5  # 0.02 at most


def test_plain_diffusers_draws_the_same_with_the_pipeline(
    whole: Run, drawn: tuple[Pixels, str], folder: Path, base: Base
) -> None:
    pixels, prompt = drawn
    assert difference(plainly(newest(whole) / PIPELINE_FOLDER, base, prompt), pixels) < 0.5
    assert difference(plainly(folder, base, prompt), pixels) > 2  # 5 to 28


def test_the_pipeline_reads_with_the_tokenizers_of_the_base(whole: Run, folder: Path) -> None:
    for file in folder.glob("tokenizer*/*"):
        assert file.read_bytes() == (newest(whole) / PIPELINE_FOLDER / file.relative_to(folder)).read_bytes()


def test_goes_on_after_a_kill_as_if_nothing_had_been(folder: Path, tmp_path: Path) -> None:
    recipe = make_recipe(folder, steps=4, snapshot_every=2, averaging=0.9)

    def kill(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "learning" and event.done == 3:
            raise Killed

    straight = learn(SIX, recipe, tmp_path / "straight")
    with pytest.raises(Killed):
        learn(SIX, recipe, tmp_path / "killed", notify=kill)
    assert_same_state(learn(SIX, recipe, tmp_path / "killed"), straight)
