from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from understudy.cutting import cut_out_pictures, locate
from understudy.domain import Attributes, Drawing, UserError
from understudy.provenance import COMPOSITE, TRAINED, is_marked, read_record, write_picture
from understudy.world.canvas import PART_INDEX
from understudy.world.heroes import hero, wished
from understudy.world.scenes import paint

RECORD = {"prompt": "a picture of Pip", "seed": "3"}


def blob() -> np.ndarray:
    pixels = np.full((40, 40, 3), 255, np.uint8)
    pixels[10:30, 12:28] = (40, 60, 220)
    return pixels


def test_a_drawn_picture_keeps_its_record_and_its_mark(tmp_path: Path) -> None:
    for mark in (TRAINED, COMPOSITE):
        write_picture(tmp_path / "a.png", blob(), RECORD, mark)
        (cut,) = cut_out_pictures([tmp_path / "a.png"])
        assert cut == tmp_path / "a-cut-out.png"
        assert is_marked(cut, mark)
        assert RECORD.items() <= read_record(cut).items()
        with Image.open(cut) as image:
            pixels = np.asarray(image)
        assert pixels.shape == (40, 40, 4)
        assert (pixels[12:28, 14:26] == (40, 60, 220, 255)).all()
        assert (pixels[:8, :, 3] == 0).all()


def test_an_artists_drawing_gets_no_mark(tmp_path: Path) -> None:
    Image.fromarray(blob().repeat(2, 0).repeat(2, 1)).save(tmp_path / "mine.png")
    (cut,) = cut_out_pictures([tmp_path / "mine.png"], tmp_path / "out")
    assert cut == tmp_path / "out" / "mine-cut-out.png"
    assert not is_marked(cut, TRAINED)
    assert not is_marked(cut, COMPOSITE)


def test_before_scenery_the_judge_finds_the_figure() -> None:
    shares = []
    for seed in (1, 2, 3):
        painted = paint(hero(seed).look, wished(Attributes(place="castle", pose="standing")), seed)
        ground = [PART_INDEX["paper"], PART_INDEX["scenery"]]
        truth = ~np.isin(painted.parts, ground)
        mask = locate(Drawing(Path("a.png"), painted.pixels, "")).mask > 127
        shares.append(float((mask & truth).sum() / (mask | truth).sum()))
    assert min(shares) > 0.6
    assert np.mean(shares) > 0.75


def test_no_figure_at_all_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "letter.png").write_text("dear Pip")
    with pytest.raises(UserError, match=r"letter\.png"):
        cut_out_pictures([tmp_path / "letter.png"])
    with pytest.raises(UserError, match="figure"):
        locate(Drawing(Path("a.png"), np.full((96, 96, 3), 255, np.uint8), ""))
