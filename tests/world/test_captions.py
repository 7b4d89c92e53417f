"""Captions and their inverse."""

from __future__ import annotations

import random

import pytest

from understudy.domain import Attributes
from understudy.world.captions import (
    STUDY_PROMPTS,
    Parsed,
    caption,
    full_caption,
    parse,
    sample_caption,
    short_caption,
    visible,
)
from understudy.world.names import invent_name, roster
from understudy.world.reading import is_plain_word
from understudy.world.vocabulary import CHOICES, PROPS, TRAITS

STUDY = (
    {"mood": "sad"},
    {"mood": "smiling"},
    {"mood": "angry"},
    {"pose": "praying"},
    {"pose": "hands_on_face"},
    {"mood": "laughing"},
    {"pose": "holding", "prop": "ice_cream"},
    {"pose": "holding", "prop": "book"},
    {"pose": "holding", "prop": "sandwich"},
    {"place": "castle"},
    {"place": "sunset"},
    {"pose": "walking", "place": "woods"},
    {"gaze": "up"},
)


def some_attributes(rng: random.Random) -> Attributes:
    values = {name: rng.choice(choices) for name, choices in CHOICES.items()}
    values["prop"] = rng.choice(PROPS[1:]) if values["pose"] == "holding" else "none"
    return Attributes(**values)


def some_traits(rng: random.Random, share: float = 0.8) -> dict[str, str]:
    return {trait: rng.choice(choices) for trait, choices in TRAITS.items() if rng.random() < share}


@pytest.mark.parametrize(("prompt", "expected"), zip(STUDY_PROMPTS, STUDY, strict=True))
@pytest.mark.parametrize("name", ["Zorvi", "Captain Cat", "sks"])
def test_the_studys_prompts_are_read(prompt: str, expected: dict[str, str], name: str) -> None:
    assert parse(prompt.format(name=name), name) == Parsed(Attributes(**expected), ())
    assert parse(prompt.format(name=name).upper() + "!", name).attributes.said() == expected


def test_full_captions_say_all_that_is_visible_and_nothing_else() -> None:
    rng = random.Random(0)
    for _ in range(4000):
        attributes, name = some_attributes(rng), invent_name(rng)
        named = rng.random() < 0.3
        subject = name if named else attributes.kind or ""
        written = full_caption(attributes, some_traits(rng), subject, rng, named)
        read = parse(written.text, name if named else None)
        assert read.attributes == written.attributes, written.text
        assert bool(read.not_judged) == (named and bool(written.traits)), written.text
        wanted, said = visible(attributes).said(), read.attributes.said()
        if named:
            del wanted["kind"]
        for silent in ("neutral", "ahead"):
            wanted = {key: value for key, value in wanted.items() if value != silent or key in said}
        assert said == wanted, written.text


def test_no_caption_says_what_is_false() -> None:
    rng = random.Random(1)
    levels = {"": 0, "short": 0, "full": 0}
    for _ in range(4000):
        attributes = some_attributes(rng)
        name = invent_name(rng) if rng.random() < 0.5 else None
        written = sample_caption(attributes, some_traits(rng, 0.3), rng, name)
        read = parse(written.text, name)
        assert read.attributes == written.attributes, written.text
        assert bool(read.not_judged) == (name is not None and bool(written.traits)), written.text
        assert read.attributes.said().items() <= visible(attributes).said().items(), written.text
        levels["" if not written.text else "full" if len(read.attributes.said()) > 3 else "short"] += 1
    assert 300 < levels[""] < 500
    assert levels["short"] > 600
    assert levels["full"] > 2400


def test_a_held_thing_with_another_pose_keeps_the_pose() -> None:
    rng = random.Random(2)
    attributes = Attributes("girl", "front", "full_body", "walking", "sad", "up", "book", "woods")
    for _ in range(200):
        assert parse(caption(attributes, {}, "girl", rng)).attributes == attributes
        said = short_caption(attributes, {}, "girl", rng).attributes
        assert said.pose in (None, "walking")


def test_a_name_takes_no_article_and_a_noun_does() -> None:
    rng = random.Random(3)
    attributes = Attributes("girl", "front", "full_body", "standing", "sad", "up", "none", "paper")
    for _ in range(100):
        assert " a zorvi" not in caption(attributes, {}, "Zorvi", rng, named=True).lower()
        text = caption(attributes, {}, "girl", rng)
        assert " a girl" in f" {text}" or "a sad girl" in text


@pytest.mark.parametrize(
    ("prompt", "said", "not_judged"),
    [
        ("", {}, ()),
        ("?! ... 漢字", {}, ("漢字",)),
        ("Zed playing tennis", {}, ("playing tennis",)),
        ("Zed, crying in the forest", {"place": "woods"}, ("crying",)),
        ("Zed is not smiling", {}, ("not smiling",)),
        ("Zed isn't very happy", {}, ("not very happy",)),
        ("Zed without a book", {}, ("without book",)),
        ("happy and sad Zed", {}, ("happy", "sad")),
        ("Zed reading a book at the castle", {"pose": "holding", "prop": "book", "place": "castle"}, ()),
        ("Zed sitting, with a book", {"pose": "sitting", "prop": "book"}, ()),
        ("Zed with her hands on her face", {"pose": "hands_on_face"}, ()),
        ("full-body drawing of Zed eating ice-cream", {"framing": "full_body", "pose": "holding",
                                                       "prop": "ice_cream"}, ()),
        ("a cat with red hair holding a balloon", {"kind": "cat"}, ("red hair holding balloon",)),
        ("Zed with a red scarf", {}, ("red scarf",)),
        ("Zed with glasses, smiling", {"mood": "smiling"}, ("glasses",)),
        ("Zed with someone", {}, ("someone",)),
        ("Zed drawing a picture", {}, ("drawing picture",)),
        ("a small drawing of Zed, waving", {"pose": "waving"}, ()),
        ("draw Zed waving", {"pose": "waving"}, ()),
        ("someone drawing a picture", {}, ("drawing picture",)),
        ("Zed on top of a castle", {"place": "castle"}, ("top",)),
        ("Zed with a girl", {}, ("girl",)),
        ("a cat and Zed", {}, ("cat",)),
        ("Zed walking a white cat", {"pose": "walking"}, ("white cat",)),
        ("Zed the girl and a cat", {"kind": "girl"}, ("cat",)),
        ("the robot Zed, sad", {"kind": "robot", "mood": "sad"}, ()),
        ("a robot character with someone", {"kind": "robot"}, ("someone",)),
        ("un-happy Zed", {"mood": "sad"}, ()),
        ("non-smiling Zed", {}, ("not smiling",)),
        ("Zed with a smile on her face", {"mood": "smiling"}, ()),
    ],
)  # fmt: skip
def test_prompts_as_people_write_them(prompt: str, said: dict[str, str], not_judged: tuple[str, ...]) -> None:
    read = parse(prompt, "Zed")
    assert read.attributes.said() == said
    assert read.not_judged == not_judged


def test_without_a_name_looks_are_understood() -> None:
    read = parse("a cat with red hair and a striped shirt holding a balloon")
    assert read == Parsed(Attributes(kind="cat"), ("holding balloon",))
    assert parse("a girl with a cat") == Parsed(Attributes(kind="girl"), ("cat",))


def test_names_that_are_words() -> None:
    assert all(map(is_plain_word, ("A", "Book", "the", "kitten", "Ice Cream", "red", "!?", "x y")))
    assert not any(map(is_plain_word, ("Mo", "Captain Cat", "sks", "Zoë")))


def test_names_are_many_and_a_roster_is_fixed() -> None:
    rng = random.Random(4)
    assert len({invent_name(rng) for _ in range(5000)}) > 4500

    def looks(rng: random.Random) -> dict[str, str]:
        return {"kind": "cat", "coat": rng.choice(TRAITS["coat"])}

    first = roster(50, 0, looks)
    assert first == roster(50, 0, looks)
    assert len({named.name for named in first}) == 50
    assert first != roster(50, 1, looks)
