"""How a prompt says the character, and nouns with their article."""

from __future__ import annotations

import re
from unicodedata import normalize

_MEDIUM = re.compile(
    r"an? (photo|picture|cartoon|drawing|sketch|comic|illustration|painting) of ", re.IGNORECASE
)
"""With which a wording may begin."""


def place_subject(prompt: str, name: str, words: str) -> str:
    """`prompt` with `words` wherever it says the character's `name`, as a whole word in any case."""
    return _saying(name).sub(lambda _: words, normalize("NFC", prompt))


def place_wording(prompt: str, name: str, wording: str) -> str:
    """As `place_subject`; a wording that says what kind of picture it is replaces "a picture of" with it.

    "a picture of Mo waving" becomes "a cartoon of a girl waving" by "a cartoon of a girl"; elsewhere the
    wording's own "a cartoon of" is left out.
    """
    found = _MEDIUM.match(wording)
    if found is None:
        return place_subject(prompt, name, wording)
    whole = re.compile(r"(?<!\w)an? picture of " + _saying(name).pattern, re.IGNORECASE)
    replaced = whole.sub(lambda _: wording, normalize("NFC", prompt))
    return place_subject(replaced, name, wording[found.end() :])


def fill_wording(template: str, noun: str, looks: str) -> str:
    """A wording of {noun}, {a_noun} and {looks}; raises `ValueError` where the template has other fields."""
    return fill(template, {"noun": noun, "a_noun": with_article(noun), "looks": looks})


def says_name(prompt: str, name: str) -> bool:
    """Whether `prompt` says the character's `name`, as a whole word in any case."""
    return _saying(name).search(normalize("NFC", prompt)) is not None


def with_article(noun: str) -> str:
    """ "a girl", "an owl"."""
    return f"{'an' if noun[:1].lower() in tuple('aeiou') else 'a'} {noun}"


def learned_word(name: str) -> str:
    """The word that a base learns for a character: "Mo the 2nd" becomes "<mo-the-2nd>".

    Small plain letters only, because tokenizers read others as these; readers of the file need the same.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"<{plain or 'character'}>"


def _saying(name: str) -> re.Pattern[str]:
    """An accent may be a letter of its own, as in the names of files on a Mac, or be part of one."""
    return re.compile(rf"(?<!\w){re.escape(normalize('NFC', name))}(?!\w)", re.IGNORECASE)


def fill(template: str, values: dict[str, str]) -> str:
    """Fill {fields}; raises `ValueError` where the template has others."""
    unknown = set(re.findall(r"\{(.*?)\}", template)) - set(values)
    if unknown:
        raise ValueError(f"{template!r} has {{{min(unknown)}}}, but only {sorted(values)} can be filled in")
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template)
