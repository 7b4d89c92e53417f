"""What a prompt asks for: the inverse of the world's captions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from understudy.domain import Attributes
from understudy.world import phrases
from understudy.world.phrases import PHRASES, Phrase

BREAK = "."  # stands where the name was, so that no phrase reaches across it


@dataclass(frozen=True)
class Parsed:
    """What a prompt asks for, and the words of it that are not understood."""

    attributes: Attributes
    not_judged: tuple[str, ...]


def parse(prompt: str, name: str | None = None) -> Parsed:
    """What a prompt asks for, and what of it is not understood.

    The character's `name` is skipped; looks are understood and belong to neither. Something asked for
    twice in different ways, or negated, is not judged.
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
    text = re.sub(r"n['\u2019]t\b", " not", text.lower())
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
def _looks() -> frozenset[str]:
    """Words that tell looks, which are the judge's business only through the drawings."""
    meaningful = {word for words in _heard()[0] for word in words}
    return (phrases.LOOK_WORDS | phrases.caption_words() - meaningful) - phrases.STOP_WORDS


def _segments(words: Sequence[str], name: Sequence[str]) -> Iterator[tuple[str, Phrase | None]]:
    """The understood phrases with their rows, and the runs of words that are not understood with None."""
    heard, longest = _heard()
    rest = [word for word in _without(words, name) if word not in phrases.ARTICLES]
    run: list[str] = []  # words not understood, and the stop words among them
    at = 0
    while at < len(rest):
        row, length = None, 1
        for size in range(min(longest, len(rest) - at), 0, -1):
            row = heard.get(tuple(rest[at : at + size]))
            if row is not None:
                length = size
                break
        piece = rest[at : at + length]
        at += length
        if row is not None and not _negated(run):
            yield from _close(run)
            run = []
            yield " ".join(piece), row
        elif row is not None or piece == [BREAK]:
            yield from _close(run + piece if row is not None else run)
            run = []
        else:
            run += piece
    yield from _close(run)


def _negated(run: Sequence[str]) -> bool:
    """Whether the last word before the phrase, stop words apart, denies it: "not very", "without any"."""
    telling = [word for word in run if word not in phrases.STOP_WORDS]
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


def _close(run: Sequence[str]) -> Iterator[tuple[str, None]]:
    """Split a run at the words that tell looks, and strip stop words at both ends of each part."""
    part: list[str] = []
    for word in (*run, BREAK):
        if word != BREAK and word not in _looks():
            part.append(word)
            continue
        while part and part[0] in phrases.STOP_WORDS:
            part.pop(0)
        while part and part[-1] in phrases.STOP_WORDS:
            part.pop()
        if part:
            yield " ".join(part), None
        part = []
