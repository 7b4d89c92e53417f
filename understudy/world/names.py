"""Invented names, and the roster of characters that the base knows by name."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from understudy.world import phrases
from understudy.world.phrases import caption_words

_ONSETS = "b br d dr f fl g gl gr h j k kl kr l m n p pl pr qu r s sk sn st t tr v vl w x y z zw"
_VOWELS = "a e i o u a e i o u aa ai ea oo ou io"
_CODAS = "b d f g k l m n p r s t x z nd lk rn mp zz"
_ENDINGS = "a e i o u ix el on ar us im ka li mo ra bo zu"
ONSETS, VOWELS, ENDINGS = (letters.split() for letters in (_ONSETS, _VOWELS, _ENDINGS))
CODAS = ["", "", "", *_CODAS.split()]


@dataclass(frozen=True)
class Named:
    """A character that the base knows by name: what it is, and its looks."""

    name: str
    kind: str
    traits: Mapping[str, str]


def invent_name(rng: random.Random) -> str:
    """A pronounceable name such as "Zorvi", none of the words that captions and prompts use."""
    while True:
        middle = rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) if rng.random() < 0.3 else ""
        start = rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS)
        name = start + middle + rng.choice(ONSETS)[0] + rng.choice(ENDINGS)
        if 4 <= len(name) <= 9 and name not in _known_words():
            return name.capitalize()


def _known_words() -> frozenset[str]:
    return caption_words() | phrases.LOOK_WORDS | phrases.STOP_WORDS | phrases.ARTICLES | phrases.NEGATIONS


def roster(
    size: int, seed: int, sample_traits: Callable[[random.Random], Mapping[str, str]]
) -> tuple[Named, ...]:
    """`size` differently named characters, always the same for one seed.

    `sample_traits` gives a character's looks, its "kind" among them.
    """
    rng = random.Random(f"roster {seed}")
    found: dict[str, Named] = {}
    while len(found) < size:
        name = invent_name(rng)
        looks = dict(sample_traits(rng))
        kind = looks.pop("kind")
        found.setdefault(name, Named(name, kind, looks))
    return tuple(found.values())
