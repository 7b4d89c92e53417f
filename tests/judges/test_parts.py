"""Parts that the embedded judge finds, against what the world's own hand has painted there."""

from __future__ import annotations

import numpy as np
import pytest

from understudy.domain import Attributes, UserError
from understudy.judges.parts import mask_part
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
