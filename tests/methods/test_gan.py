"""The GAN: two players, their curves, and pictures along the way."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from tests.toy_character import make_character, make_recipe_from_nothing
from understudy.domain import Character, Scene, Sketch, UserError
from understudy.methods import learn, open_painter
from understudy.methods.drawn_pixels import make_pixels
from understudy.methods.gan import score_apart, score_drawing
from understudy.methods.gan_networks import Shape, make_generator, make_scorer, set_weights
from understudy.pictures import draw
from understudy.provenance import read_record
from understudy.recipes import DrawSettings, Gan
from understudy.runs import Run

FIGURES = [
    "step",
    "drawing_loss",
    "telling_loss",
    "redrawing_error",
    "score_of_drawings",
    "score_of_pictures",
]


@pytest.fixture(scope="module")
def run(pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = make_recipe_from_nothing("gan").model_copy(
        update={"steps": 60, "snapshot_every": 60, "samples_every": 30, "learning_rate": 1e-3}
    )
    return learn(pip, recipe, tmp_path_factory.mktemp("gan"))


def test_both_players_leave_their_curves(run: Run) -> None:
    entries = [entry for entry in run.read_log() if "drawing_loss" in entry]
    assert [entry["step"] for entry in entries] == [10, 20, 30, 40, 50, 60]
    assert all(list(entry) == FIGURES for entry in entries)
    errors = [float(str(entry["redrawing_error"])) for entry in entries]
    assert errors[-1] < 0.8 * errors[0]  # the second player learns what the drawings show


def test_the_pictures_move_from_grey_to_the_drawings_colours(run: Run, pip: Character) -> None:
    drawn = make_pixels(pip, make_recipe_from_nothing("gan"), "cpu", lambda event: None).pixels
    wanted = ((drawn.mean(dim=(0, 2, 3)) + 1) * 127.5).numpy()
    with open_painter(run) as painter:
        pictures = list(painter([Scene("Pip", seed) for seed in range(4)], DrawSettings()))
    found = np.mean([picture.pixels for picture in pictures], axis=(0, 1, 2))
    assert np.abs(found - wanted).mean() < 0.6 * np.abs(127.5 - wanted).mean()


def test_samples_along_the_way_carry_the_mark(run: Run) -> None:
    sheets = sorted((run.folder / "samples").glob("*.png"))
    assert [sheet.name for sheet in sheets] == ["000030.png", "000060.png"]
    assert read_record(sheets[0])["learned_steps"] == "30"


def test_its_pictures_say_that_the_words_were_ignored(run: Run, tmp_path: Path) -> None:
    waving, sad = draw(run, [Scene("Pip waving", 3), Scene("Pip sad", 3)], out=tmp_path)
    assert read_record(waving)["follows_text"] == "no"
    assert waving.read_bytes() != sad.read_bytes()  # another record
    with open_painter(run) as painter:
        first, second = painter([Scene("Pip waving", 3), Scene("Pip sad", 3)], DrawSettings())
    assert np.array_equal(first.pixels, second.pixels)


def test_what_it_cannot_do_is_refused(run: Run) -> None:
    sketch = Sketch(np.zeros((32, 32, 3), np.uint8), 0.5)
    with open_painter(run) as painter:
        with pytest.raises(UserError, match="32 x 32"):
            painter.canvas(DrawSettings(width=64))
        with pytest.raises(UserError, match="scheduler"):
            painter.canvas(DrawSettings(scheduler="ddim"))
        with pytest.raises(UserError, match="cannot draw from a picture"):
            next(painter([Scene("Pip")], DrawSettings(), sketch))


def test_no_drawing_is_ever_dropped_from_a_batch() -> None:
    recipe = Gan(size_px=32, batch=4, views=2)
    drawn = make_pixels(make_character(6), recipe, "cpu", lambda event: None)
    dealt = [drawn.unit[row] for step in range(3) for row in drawn.deal(step)]
    assert sorted(dealt[:6]) == sorted(dealt[6:]) == list(range(6))


@pytest.mark.parametrize("network", ["dcgan", "fastgan"])
@pytest.mark.parametrize("size_px", [32, 64, 256])
def test_networks_of_each_size(network: Literal["dcgan", "fastgan"], size_px: int) -> None:
    shape = Shape(network, size_px, 8, 5)
    generator, scorer = make_generator(shape), make_scorer(shape)
    pictures = generator(torch.randn(2, 5))
    assert pictures.shape == (2, 3, size_px, size_px)
    assert pictures.abs().max() <= 1
    opinion = scorer(pictures, 3)
    assert len(opinion.scores) == 2
    assert all(redrawn.shape == seen.shape for redrawn, seen in opinion.redrawn)
    assert len(opinion.redrawn) == (2 if network == "fastgan" else 0)


def test_a_quarter_is_redrawn_of_what_is_seen_there() -> None:
    scorer = make_scorer(Shape("fastgan", 32, 8, 5))
    pictures = torch.rand(1, 3, 32, 32)
    for quarter, part in enumerate(
        (pictures[..., :16, :16], pictures[..., :16, 16:], pictures[..., 16:, :16], pictures[..., 16:, 16:])
    ):
        assert torch.equal(scorer(pictures, quarter).redrawn[1][1], part)


def test_weights_begin_as_asked() -> None:
    generator = make_generator(Shape("dcgan", 64, 16, 128))
    before = generator.state_dict()["layers.0.weight"].clone()
    set_weights(generator, 0.0)
    assert torch.equal(generator.state_dict()["layers.0.weight"], before)
    set_weights(generator, 0.02)
    assert generator.state_dict()["layers.0.weight"].std().item() == pytest.approx(0.02, rel=0.05)


def test_scores() -> None:
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 1.0])
    assert score_apart(real, fake, "hinge").item() == pytest.approx((0 + 1) / 2 + (0 + 2) / 2)
    assert score_drawing(fake, "hinge").item() == pytest.approx(1.0)
    says_real = torch.sigmoid(torch.cat([real, fake])).double()
    by_hand = -(says_real[:2].log().mean() + (1 - says_real[2:]).log().mean())
    assert score_apart(real, fake, "cross-entropy").item() == pytest.approx(by_hand.item(), rel=1e-5)
    drawing = -says_real[2:].log().mean()
    assert score_drawing(fake, "cross-entropy").item() == pytest.approx(drawing.item(), rel=1e-5)
