"""How a prompt says the character, and nouns with their article."""

from __future__ import annotations

import re


def place_subject(prompt: str, name: str, words: str) -> str:
    """`prompt` with `words` wherever it says the character's `name`, as a whole word in any case."""
    return _saying(name).sub(lambda _: words, prompt)


def says_name(prompt: str, name: str) -> bool:
    """Whether `prompt` says the character's `name`, as a whole word in any case."""
    return _saying(name).search(prompt) is not None


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
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)


def fill(template: str, values: dict[str, str]) -> str:
    """Fill {fields}; raises `ValueError` where the template has others."""
    unknown = set(re.findall(r"\{(.*?)\}", template)) - set(values)
    if unknown:
        raise ValueError(f"{template!r} has {{{min(unknown)}}}, but only {sorted(values)} can be filled in")
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template)
