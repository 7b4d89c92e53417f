"""What captions cover, and the advice that follows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.toy_character import make_character
from understudy.domain import Drawing
from understudy.drawings.describe import describe
from understudy.reports.coverage import advise, cover, name_unseen

WHOLE = (
    "standing, front view",
    "portrait, smiling, front view",
    "walking, side view",
    "sitting, sad, front view",
    "standing, back view",
)


def drawings(*captions: str) -> list[Drawing]:
    block = make_character(1).drawings[0]
    large = np.repeat(np.repeat(block.pixels, 4, axis=0), 4, axis=1)
    return [Drawing(Path(f"{number}.png"), large, caption) for number, caption in enumerate(captions)]


def advice(*captions: str) -> str:
    made = drawings(*captions)
    return "\n".join(advise(describe(made), cover(made)))


def test_captions_are_counted() -> None:
    coverage = cover(drawings(*WHOLE))
    assert coverage.counts["view"] == {"front": 3, "side": 1, "back": 1}
    assert coverage.counts["mood"] == {"smiling": 1, "sad": 1}
    assert coverage.counts["framing"] == {"portrait": 1}
    # Of the five, one is seen from behind and has no face to tell a mood.
    assert coverage.unknown == {"view": 0, "framing": 4, "mood": 2, "pose": 1}
    assert (coverage.num_captions, coverage.num_drawings, coverage.not_understood) == (5, 5, ())


def test_a_view_from_behind_has_no_mood() -> None:
    coverage = cover(drawings("smiling, back view", "sad, front view", "standing, front view"))
    assert coverage.counts["mood"] == {"sad": 1}
    assert coverage.unknown["mood"] == 1
    assert "No caption says a mood" in advice("smiling, back view", "front view")
    # The only face that there is has said its mood.
    assert "mood" not in advice("sad, front view", "standing, back view", "walking, back view")
    assert "mood" not in advice(*["standing, back view"] * 3)


def test_nothing_is_missing_from_a_whole_set() -> None:
    assert advice(*WHOLE) == ""


@pytest.mark.parametrize(
    ("captions", "said"),
    [
        (("standing, front view",) * 6, "All 6 drawings show the front: add a side view"),
        ((*WHOLE[:4], "standing, front view"), "No drawing shows the back: add a back view."),
        (WHOLE[:3], "3 drawings: six teach the character better"),
        (("", "", "", ""), "add captions.csv"),
        ((*WHOLE, ""), "One drawing without a caption"),
        ((*WHOLE, "waving"), "One caption does not say the view"),
        (
            ("standing, front view", "side view", "back view", "walking, side view"),
            'No caption says "portrait"',
        ),
        (("smiling, front view", "side view", "back view", "portrait, front view"), "are smiling"),
        (("front view", "side view", "back view", "portrait, front view"), "No caption says a mood"),
        ((*WHOLE, "playing tennis, front view"), '"playing tennis"'),
    ],
)
def test_advice_names_what_is_missing(captions: tuple[str, ...], said: str) -> None:
    assert said in advice(*captions)


def test_unknown_views_are_not_called_missing() -> None:
    text = advice("", "", "", "")
    assert "add a side view" not in text
    assert "mood:" not in text


def test_advice_looks_at_the_drawings_too() -> None:
    made = drawings(*WHOLE)
    noise = np.random.default_rng(0).integers(0, 256, (250, 250, 3), dtype=np.uint8)
    speck = np.full((300, 300, 3), 255, np.uint8)
    speck[140:160, 140:160] = (220, 40, 40)
    made += [
        Drawing(Path("noise.png"), noise, "front view"),
        Drawing(Path("speck.png"), speck, "front view"),
        Drawing(Path("small.png"), make_character(1).drawings[0].pixels, "front view"),
    ]
    text = "\n".join(advise(describe(made), cover(made)))
    assert "In noise.png the character could not be told" in text
    assert "In speck.png the character is small" in text
    assert "small.png: smaller than the 192 pixels" in text


def test_what_no_caption_says_is_named_though_it_is_not_needed() -> None:
    def unseen(*captions: str) -> str:
        return name_unseen(cover(drawings(*captions)))

    # A drawing without a mood in its caption may be calm, and one without a framing shows the whole figure.
    assert unseen(*WHOLE) == "Not needed, but no caption says: moods angry, laughing."
    views = unseen("portrait, smiling, front view", "full body, sad, front view")
    assert views == "Not needed, but no caption says: views side, back; moods neutral, angry, laughing."
    assert "every view, framing and mood" in unseen(*WHOLE, "angry, front view", "laughing, front view")
    assert unseen("", "") == ""
