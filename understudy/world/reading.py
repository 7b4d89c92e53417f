"""What a prompt asks for: the inverse of the world's captions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from unicodedata import normalize

from understudy.domain import Attributes
from understudy.world import phrases
from understudy.world.phrases import PHRASES, Phrase

BREAK = "."  # stands where the name was, so that no phrase reaches across it

# Stop words which ask for something unless they mean the character itself,
_NOUNS = frozenset(("person", "someone", "character", "characters", "figure", "figures"))
# and those which do unless they stand in the opening, as in "a small drawing of".
_OPENINGS = frozenset(
    (
        *("picture", "pictures", "image", "photo", "painting", "drawing", "drawn", "draw"),
        *("cartoon", "sketch", "comic", "illustration", "doodle", "little", "small"),
    )
)


@dataclass(frozen=True)
class Parsed:
    """What a prompt asks for, and the words of it that are not understood."""

    attributes: Attributes
    not_judged: tuple[str, ...]


def parse(prompt: str, name: str | None = None) -> Parsed:
    """What a prompt asks for, and what of it is not understood.

    The character's `name` is skipped. Looks are understood and belong to neither, but with a `name` they are
    not judged: the drawings alone say what the character looks like. Nor are a second character, what is
    negated, and what is asked for twice in different ways.
    """
    found: dict[str, dict[str, str]] = {}  # attribute -> value -> the words that said it
    implied: dict[str, str] = {}
    unknown: list[str] = []
    for words, row in _segments(_words(prompt), _words(name or "")):
        if row is None:
            unknown.append(words)
            continue
        found.setdefault(row.attribute, {})[row.value] = words
        implied |= row.implies
    values: dict[str, str] = {}
    for attribute, sayings in found.items():
        if len(sayings) == 1:
            values[attribute] = next(iter(sayings))
        else:
            unknown += sayings.values()
    unsure = {attribute for attribute, sayings in found.items() if len(sayings) > 1}
    values |= {key: value for key, value in implied.items() if key not in values and key not in unsure}
    return Parsed(Attributes(**values), tuple(unknown))


def _words(text: str) -> list[str]:
    text = re.sub(r"n['\u2019]t\b", " not", normalize("NFC", text).lower())
    text = re.sub(r"\bnon-(?=\w)", "not ", re.sub(r"\bun-(?=\w)", "un", text))  # un-happy, non-smiling
    words: list[str] = re.findall(r"[^\W_]+", text)
    return words


@cache
def _heard() -> tuple[dict[tuple[str, ...], Phrase], int]:
    """Word sequence without articles -> row, for every wording; and the longest one's length."""
    table = {
        tuple(word for word in words.split() if word not in phrases.ARTICLES): row
        for row in PHRASES
        for words in (*row.said, *row.heard)
    }
    return table, max(map(len, table))


@cache
def _kinds() -> frozenset[str]:
    return frozenset(words[0] for words, row in _heard()[0].items() if row.attribute == "kind")


@cache
def _looks() -> frozenset[str]:
    """Words that tell looks, which are the judge's business only through the drawings."""
    meaningful = {word for words in _heard()[0] for word in words}
    return (phrases.LOOK_WORDS | phrases.caption_words() - meaningful) - phrases.STOP_WORDS


def _segments(words: Sequence[str], name: Sequence[str]) -> Iterator[tuple[str, Phrase | None]]:
    """The understood phrases with their rows, and the runs of words that are not understood with None."""
    heard, longest = _heard()
    rest = [word for word in _without(words, name) if word not in phrases.ARTICLES]
    subjects = _subjects(rest)
    silent = _silent(rest, subjects)
    looks = frozenset[str]() if name else _looks()
    begin = at = 0  # rest[begin:at] is not understood
    while at < len(rest):
        row, length = None, 1
        for size in range(min(longest, len(rest) - at), 0, -1):
            row = heard.get(tuple(rest[at : at + size]))
            if row is not None:
                length = size
                break
        if row is not None and row.attribute == "kind" and at not in subjects:
            row = None
        end = at + length
        if row is not None and not _negated(rest, begin, at, silent):
            yield from _close(rest, begin, at, silent, looks)
            yield " ".join(rest[at:end]), row
            begin = end
        elif row is not None or rest[at] == BREAK:
            yield from _close(rest, begin, end if row is not None else at, silent, looks)
            begin = end
        at = end
    yield from _close(rest, begin, at, silent, looks)


def _subjects(rest: Sequence[str]) -> frozenset[int]:
    """Where a noun means the character itself: beside its name, or the first one where no name is."""
    anchors = [at for at, word in enumerate(rest) if word == BREAK]
    if not anchors:
        anchors = [at for at, word in enumerate(rest) if word in _NOUNS or word in _kinds()][:1]
    return frozenset(place for at in anchors for place in (at - 1, at, at + 1))


def _silent(rest: Sequence[str], subjects: frozenset[int]) -> frozenset[int]:
    """Where a word asks for nothing: "drawing" does in "Mo drawing", but not in "a drawing of Mo"."""
    if BREAK in rest:
        opening = rest.index(BREAK)
    else:
        ends = (at for at, word in enumerate(rest) if word == "of" or at in subjects)
        opening = next(ends, 0)
    return frozenset(
        at
        for at, word in enumerate(rest)
        if word in phrases.STOP_WORDS
        and (word not in _NOUNS or at in subjects)
        and (word not in _OPENINGS or at < opening)
    )


def _negated(rest: Sequence[str], begin: int, at: int, silent: frozenset[int]) -> bool:
    """Whether the last telling word before a phrase denies it: "not very", "without any"."""
    telling = [rest[place] for place in range(begin, at) if place not in silent]
    return bool(telling) and telling[-1] in phrases.NEGATIONS


def _without(words: Sequence[str], name: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(words):
        if name and list(words[at : at + len(name)]) == list(name):
            yield BREAK
            at += len(name)
        else:
            yield words[at]
            at += 1


def _close(
    rest: Sequence[str], begin: int, end: int, silent: frozenset[int], looks: frozenset[str]
) -> Iterator[tuple[str, None]]:
    """Split rest[begin:end] at the words that tell looks, and strip silent words at the ends of each part."""
    part: list[int] = []
    for at in range(begin, end + 1):
        if at < end and rest[at] not in looks:
            part.append(at)
            continue
        while part and part[0] in silent:
            part.pop(0)
        while part and part[-1] in silent:
            part.pop()
        if part:
            yield " ".join(rest[place] for place in part), None
        part = []


def is_plain_word(name: str) -> bool:
    """Whether a prompt could say `name` and not mean a character: "book", "the", "A", or no word at all."""
    known = {word for words in _heard()[0] for word in words} | phrases.caption_words() | phrases.LOOK_WORDS
    known |= phrases.STOP_WORDS | phrases.ARTICLES | phrases.NEGATIONS
    return all(len(word) == 1 or word in known for word in _words(name))
