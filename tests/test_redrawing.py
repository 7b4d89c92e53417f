"""A part is drawn anew on the toy base; what lies outside of it is compared pixel by pixel."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from understudy.domain import Attributes, Character, Pixels, UserError
from understudy.events import Event, Note
from understudy.methods import learn
from understudy.pictures import draw
from understudy.provenance import COMPOSITE, TRAINED, is_marked, read_record
from understudy.recipes import DrawSettings, PromptOnly
from understudy.redrawing import blend, redraw
from understudy.runs import Run
from understudy.world.heroes import hero, oracle

FAST = DrawSettings(steps=4)
PROMPT = "a picture of Pip sad"


@pytest.fixture(scope="module")
def run(toy_base: Path, pip: Character, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return learn(pip, PromptOnly(base=str(toy_base)), tmp_path_factory.mktemp("run"), device="cpu")


def save(path: Path, pixels: Pixels) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def read(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image)


# Larger than the base's own 32 x 32, wide and tall, with odd sides.
@pytest.mark.parametrize("size", [(64, 64), (200, 200), (71, 71), (41, 97), (150, 33)])
def test_outside_the_mask_every_pixel_stays(run: Run, size: tuple[int, int], tmp_path: Path) -> None:
    before = noise(*size)
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 4 : size[0] // 2, size[1] // 3 : size[1] * 2 // 3] = 255
    picture, painted = save(tmp_path / "p.png", before), save(tmp_path / "m.png", mask)
    out = tmp_path / "out"
    files = redraw(run, picture, PROMPT, painted, settings=FAST, out=out, device="cpu", count=2)
    for file in files:
        after = read(file)
        assert np.array_equal(after[mask == 0], before[mask == 0])
        assert (after[mask > 0] != before[mask > 0]).any(axis=1).mean() > 0.9
    assert not np.array_equal(read(files[0]), read(files[1]))


def test_a_picture_much_larger_than_the_base_draws_is_told_to_come_out_softer(
    run: Run, tmp_path: Path
) -> None:
    picture = save(tmp_path / "p.png", noise(64, 64))
    painted = save(tmp_path / "m.png", np.full((64, 64), 255, np.uint8))
    large = FAST.model_copy(update={"width": 64, "height": 64})
    for settings, is_told in ((FAST, True), (large, False)):
        events: list[Event] = []
        redraw(
            run, picture, PROMPT, painted, settings=settings, out=tmp_path, device="cpu", notify=events.append
        )
        told = [event.text for event in events if isinstance(event, Note)]
        assert any("64 x 64 pixels, the base draws 32 x 32" in text for text in told) == is_told


def test_the_record_says_what_was_drawn_anew(run: Run, tmp_path: Path) -> None:
    mask = np.zeros((64, 48), np.uint8)
    mask[10:30, 10:30] = 255
    picture, painted = save(tmp_path / "mine.png", noise(64, 48)), save(tmp_path / "m.png", mask)
    asked = {"mask": painted, "settings": FAST, "out": tmp_path, "device": "cpu"}
    (file,) = redraw(run, picture, PROMPT, **asked)
    record = read_record(file)
    assert file.stem.endswith("-redrawn")
    assert (record["redrawn"], record["sketch"], record["width"], record["height"]) == (
        "m.png",
        "mine.png",
        "48",
        "64",
    )
    assert (record["drawn_width"], record["strength"]) == ("32", "0.6")
    assert "to the pixel" in record["outside"]
    # An artist's picture is machine-made in part only; one of ours is machine-made all over.
    assert is_marked(file, COMPOSITE)
    square = FAST.model_copy(update={"width": 64, "height": 64})
    (ours,) = draw(run, [PROMPT], square, tmp_path / "ours", device="cpu")
    large = save(tmp_path / "m32.png", np.full((64, 64), 255, np.uint8))
    (again,) = redraw(run, ours, PROMPT, large, settings=FAST, out=tmp_path, device="cpu")
    assert is_marked(again, TRAINED)


def test_the_identical_call_gives_the_identical_file(run: Run, tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[4:20, 4:20] = 255
    picture, painted = save(tmp_path / "p.png", noise(64, 64)), save(tmp_path / "m.png", mask)
    one, other = (
        redraw(run, picture, PROMPT, painted, settings=FAST, out=tmp_path / name, device="cpu")[0]
        for name in ("a", "b")
    )
    assert one.read_bytes() == other.read_bytes()


def test_the_new_fades_in_within_the_mask() -> None:
    before, after = np.zeros((40, 40, 3), np.uint8), np.full((40, 40, 3), 200, np.uint8)
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:40] = 255
    row = blend(before, after, mask, 3)[20, :, 0].astype(int)
    assert (row[:10] == 0).all()
    assert 0 < row[10] < row[11] < row[12] < 200
    assert (row[14:] == 200).all()  # the picture's own edge is no rim


def test_mistakes(run: Run, tmp_path: Path) -> None:
    picture = save(tmp_path / "p.png", noise(64, 64))
    small = save(tmp_path / "small.png", np.full((70, 70), 255, np.uint8))
    black = save(tmp_path / "black.png", np.zeros((64, 64), np.uint8))
    (tmp_path / "letter.png").write_text("dear Pip")
    large = save(tmp_path / "large.png", np.full((2100, 40, 3), 255, np.uint8))
    for match, path, mask, part in (
        ("give a mask", picture, None, None),
        ("give a mask", picture, black, "face"),
        (r"different sizes \(70 x 70 and 64 x 64\)", picture, small, None),
        ("black all over", picture, black, None),
        ("mask .*letter", picture, tmp_path / "letter.png", None),
        ("letter", tmp_path / "letter.png", black, None),
        ("at most 2048", large, black, None),
        ("no part 'wing'", picture, None, "wing"),
    ):
        with pytest.raises(UserError, match=match):
            redraw(run, path, PROMPT, mask, part, settings=FAST, device="cpu")


def test_what_counts_as_a_part_is_kept_and_can_be_given_back(run: Run, tmp_path: Path) -> None:
    picture = save(tmp_path / "mine.png", oracle(hero(31), Attributes(), 3).pixels)
    events: list[Event] = []
    asked = {"settings": FAST, "device": "cpu"}
    (one,) = redraw(run, picture, PROMPT, part="left  hand", out=tmp_path, notify=events.append, **asked)
    kept = tmp_path / "masks" / "mine-left-hand.png"
    said = " ".join(event.text for event in events if isinstance(event, Note))
    found = re.search(rf"left hand, (\d+)% of the figure, is white in {re.escape(str(kept))}", said)
    assert found is not None
    assert 1 <= int(found[1]) <= 20
    before, mask = read(picture), read(kept)
    assert 0 < (mask > 0).mean() < 0.1
    (other,) = redraw(run, picture, PROMPT, kept, out=tmp_path / "again", **asked)
    assert np.array_equal(read(one), read(other))
    assert np.array_equal(read(one)[mask == 0], before[mask == 0])
    mended = np.zeros_like(mask)
    mended[5:9, 5:9] = 255
    save(kept, mended)
    redraw(run, picture, PROMPT, part="left hand", out=tmp_path, **asked)
    assert np.array_equal(read(kept), mended)  # somebody's work
    assert np.array_equal(read(kept.with_stem("mine-left-hand-2")), mask)
