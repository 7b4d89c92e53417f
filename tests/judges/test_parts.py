"""Parts that the embedded judge finds, against what the world's own hand has painted there."""

from __future__ import annotations

import numpy as np
import pytest

from understudy.domain import Attributes, UserError
from understudy.judges.parts import Shares, mask_part, name_places
from understudy.judges.puppet import PuppetJudge
from understudy.world.canvas import PART_INDEX, PARTS
from understudy.world.heroes import hero, wished
from understudy.world.scenes import Painted, paint

SEEDS = (1, 2, 3, 4, 5, 6, 7, 8)
POSES = ("waving", "standing", "hands_on_face")


def painted(seed: int, pose: str) -> Painted:
    return paint(hero(seed).look, wished(Attributes(pose=pose, view="front")), seed)


@pytest.fixture(scope="module")
def judge() -> PuppetJudge:
    return PuppetJudge()


def test_faces_and_legs_are_covered(judge: PuppetJudge) -> None:
    covered: dict[str, list[float]] = {"face": [], "legs": []}
    wrong = []
    for seed in SEEDS:
        truth = painted(seed, "waving")
        eyes = np.isin(truth.parts, [PART_INDEX[name] for name in ("eye", "mouth")])
        legs = truth.parts == PART_INDEX["leg"]
        face = judge.find_part(truth.pixels, "face") > 0
        covered["face"].append(float(face[eyes].mean()))
        covered["legs"].append(float((judge.find_part(truth.pixels, "legs") > 0)[legs].mean()))
        wrong.append(float(face[legs].mean()))
    assert np.mean(covered["face"]) > 0.9
    assert np.mean(covered["legs"]) > 0.8
    assert np.mean(wrong) < 0.02


def test_hands_are_found_on_their_side(judge: PuppetJudge) -> None:
    hits = []
    for seed in SEEDS:
        for pose in POSES:
            truth = painted(seed, pose)
            for hand in ("left hand", "right hand"):
                x, y = truth.points[hand.replace(" ", "_")]
                try:
                    mask = judge.find_part(truth.pixels, hand)
                except UserError:
                    hits.append(False)
                    continue
                hits.append(bool(mask[round(y), round(x)]))
                assert (mask > 0).mean() < 0.08
    assert len(hits) == 48
    assert np.mean(hits) > 0.6  # measured: 34 of 48


def test_a_mask_has_the_pictures_own_size(judge: PuppetJudge) -> None:
    pixels = np.full((192, 300, 3), 255, np.uint8)
    pixels[:, 54:246] = painted(1, "standing").pixels
    mask = judge.find_part(pixels, "face")
    assert mask.shape == (192, 300)
    assert np.flatnonzero(mask.any(axis=0)).min() > 60
    small = judge.see_parts(pixels[::4, ::4])
    assert small.shape == (len(PARTS), 48, 75)
    assert np.allclose(small.sum(axis=0), 1, atol=1e-3)


def test_the_figure_is_found_in_front_of_scenery(judge: PuppetJudge) -> None:
    shares = []
    for seed in SEEDS:
        truth = paint(hero(seed).look, wished(Attributes(pose="standing", view="front", place="woods")), seed)
        own = ~np.isin(truth.parts, [PART_INDEX[name] for name in ("paper", "scenery", "prop")])
        found = judge.find_figure(truth.pixels) > 127
        assert found.shape == own.shape
        shares.append((found & own).sum() / (found | own).sum())
    assert np.mean(shares) > 0.7


def test_what_is_not_there_or_has_no_name_is_said(judge: PuppetJudge) -> None:
    with pytest.raises(UserError, match="No held thing is seen"):
        judge.find_part(np.full((96, 96, 3), 255, np.uint8), "held thing")
    with pytest.raises(UserError, match=r"no part 'wing': name one of face, .*left hand"):
        judge.find_part(np.full((96, 96, 3), 255, np.uint8), "wing")


def test_left_is_the_pictures_left() -> None:
    shares = np.zeros((len(PARTS), 100, 100), np.float32)
    shares[PART_INDEX["body"], 40:70, 40:60] = 1
    shares[PART_INDEX["arm"], 42:70, 30:38] = 1
    shares[PART_INDEX["arm"], 20:46, 62:70] = 1
    left, right = mask_part(shares, "left hand"), mask_part(shares, "Right  hand")
    assert left[66, 34] == right[24, 66] == 255
    assert left[:, 55:].max() == right[:, :45].max() == 0
    assert left[44, 34] == right[44, 66] == 0


def head_that_is_the_body() -> Shares:
    """A pot on two legs: eyes and mouth are seen on a head that is nearly all of it, and a toe as an eye."""
    shares = np.zeros((len(PARTS), 100, 100), np.float32)
    shares[PART_INDEX["head"], 10:80, 20:80] = 1
    shares[PART_INDEX["leg"], 80:98, 30:38] = shares[PART_INDEX["leg"], 80:98, 62:70] = 1
    for rows, columns, part in (
        (np.s_[24:32], np.s_[34:42], "eye"),
        (np.s_[24:32], np.s_[58:66], "eye"),
        (np.s_[40:44], np.s_[42:58], "mouth"),
        (np.s_[94:96], np.s_[32:35], "eye"),
    ):
        shares[:, rows, columns] = 0
        shares[PART_INDEX[part], rows, columns] = 1
    return shares


def test_a_face_on_a_head_that_is_the_body_is_what_lies_around_its_features() -> None:
    shares = head_that_is_the_body()
    face, head = mask_part(shares, "face") > 0, mask_part(shares, "head") > 0
    features = shares[[PART_INDEX["eye"], PART_INDEX["mouth"]]].sum(axis=0) > 0
    features[90:] = False
    assert face[features].all()
    assert not face[62:].any()
    assert face.sum() < 0.6 * head.sum()
    # Where only the eyes are seen, there is room for a mouth below them.
    shares[PART_INDEX["head"]] += shares[PART_INDEX["mouth"]]
    shares[PART_INDEX["mouth"]] = 0
    assert (mask_part(shares, "face") > 0)[40:44, 42:58].all()
    # A head with nothing on it, as from behind, is all there is of a face.
    shares[PART_INDEX["eye"]] = 0
    assert (mask_part(shares, "face") > 0)[65, 50]


def test_a_face_that_is_a_part_of_the_figure_stays_the_head() -> None:
    shares = head_that_is_the_body()
    shares[PART_INDEX["body"], 45:80] = shares[PART_INDEX["head"], 45:80]
    shares[PART_INDEX["head"], 45:80] = 0
    assert (mask_part(shares, "face") > 0)[12:44, 21:79].all()


def test_portraits_have_all_features_in_a_face_that_is_less_than_the_head(judge: PuppetJudge) -> None:
    less = []
    for seed in SEEDS:
        truth = paint(hero(seed).look, wished(Attributes(framing="portrait", mood="smiling")), seed)
        features = np.isin(truth.parts, [PART_INDEX[name] for name in ("eye", "mouth", "brow")])
        face = judge.find_part(truth.pixels, "face") > 0
        assert face[features].mean() > 0.95
        less.append(face.sum() / (judge.find_part(truth.pixels, "head") > 0).sum())
    assert np.mean(less) < 0.95


def test_the_strongest_place_is_named_by_the_part_there() -> None:
    shares = np.zeros((2, len(PARTS), 24, 24), np.float32)
    shares[:, PART_INDEX["paper"]] = 1
    shares[0, PART_INDEX["eye"], 4:6, 10:12] = 0.4
    shares[1, PART_INDEX["leg"], 20:22, 8:10] = 0.3
    places = np.zeros((2, 144), np.float32)
    places[0, 2 * 12 + 5] = places[1, 10 * 12 + 4] = 1
    assert name_places(shares, places) == ["head", "legs"]
