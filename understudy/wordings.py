"""A character in words, from its palette and the world's vocabulary; each round builds on the best so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from understudy.domain import Character, Drawing
from understudy.drawings.flattening import find_paints
from understudy.drawings.oklab import to_oklab
from understudy.recipes import PromptOnly, fill_wording, with_article
from understudy.trials import Tried
from understudy.world import phrases
from understudy.world.palette import RGB
from understudy.world.vocabulary import KINDS, TRAITS

NUM_COLOURS = 3
"""More are hardly heard."""
HUE_FIRST = np.array((0.4, 1, 1), np.float32)
"""Lavender is a light purple, not a pink: lightness counts for less than hue when colours are named."""
HAIRY = ("girl", "boy")
"""Kinds that have hair and skin, and no coat."""


@dataclass(frozen=True)
class Look:
    """A character in words, part by part; what is empty is not said."""

    noun: str
    coat: str = ""
    hair: str = ""
    head: str = ""
    extra: str = ""
    top: str = ""
    bottom: str = ""

    @property
    def said(self) -> str:
        """All but the noun: "green hide, a round head and a red shirt"."""
        parts = [self.coat, self.hair, self.head, self.extra, self.top, self.bottom]
        told = [part for part in parts if part]
        return " and ".join(part for part in (", ".join(told[:-1]), *told[-1:]) if part)

    @property
    def text(self) -> str:
        """All of it: "a creature with green hide and a red shirt"."""
        noun = with_article(self.noun)
        return f"{noun} with {self.said}" if self.said else noun


Round = Callable[[Look, Sequence[str]], Iterator[Look]]
"""From the best look so far and the character's colours, the looks to try next."""


def suggest(character: Character, recipe: PromptOnly, tried: Sequence[Tried]) -> list[str]:
    """The next wordings to try, none when all were: those of the recipe, or rounds of made ones."""
    scores = {one.wording: one.score for one in tried}
    colours = name_colours(character.drawings)
    first = first_look(character.noun, colours)
    if recipe.descriptions:
        given = (fill_wording(each, character.noun, first.said) for each in recipe.descriptions)
        return [wording for wording in dict.fromkeys(given) if wording not in scores]
    best = first
    for next_looks in ROUNDS:
        looks = {look.text: look for look in (best, *next_looks(best, colours))}
        if new := [text for text in looks if text not in scores]:
            return new
        best = looks[max(looks, key=lambda text: scores[text])]
    return []


def name_colours(drawings: Sequence[Drawing]) -> list[str]:
    """The world's words for the drawings' largest areas of colour, each once, the largest first."""
    names = list(RGB)
    known = to_oklab(np.array([RGB[name] for name in names], np.uint8)) * HUE_FIRST
    found: list[str] = []
    for colour in find_paints(drawings).colours:
        distances = np.linalg.norm(known - to_oklab(np.array(colour, np.uint8)) * HUE_FIRST, axis=1)
        name = names[int(distances.argmin())]
        if name not in found:
            found.append(name)
    return found[:NUM_COLOURS]


def first_look(noun: str, colours: Sequence[str]) -> Look:
    """What one would say untried: the largest colour is the coat's or the hair's, the next the shirt's."""
    if not colours:
        return Look(noun)
    top = f"a {colours[1]} shirt" if len(colours) > 1 else ""
    if noun in HAIRY:
        return Look(noun, hair=f"{colours[0]} hair", top=top)
    return Look(noun, coat=_coat(noun, colours[0]), top=top)


def _coat(noun: str, colour: str) -> str:
    return f"{colour} {phrases.COAT_NOUNS.get(noun, phrases.COAT_NOUN)}"


def _nouns(best: Look, colours: Sequence[str]) -> Iterator[Look]:
    """The noun alone, and where it says little the world's own kinds."""
    yield Look(best.noun)
    if best.noun in phrases.GENERAL_NOUNS or best.noun == "creature":
        for kind in KINDS:
            yield first_look(kind, colours)


def _coats(best: Look, colours: Sequence[str]) -> Iterator[Look]:
    for colour in colours:
        if best.noun in HAIRY:
            for form in ("{colour} hair", phrases.HAIR["short"], phrases.HAIR["long"]):
                yield replace(best, hair=form.format(colour=colour))
        else:
            yield replace(best, coat=_coat(best.noun, colour))


def _clothes(best: Look, colours: Sequence[str]) -> Iterator[Look]:
    yield replace(best, top="", bottom="")
    for colour in colours:
        yield replace(best, top=f"a {colour} shirt", bottom="")
        yield replace(best, top=f"a {colour} dress", bottom="")
        for other in colours:
            if other != colour:
                yield replace(best, top=f"a {colour} shirt", bottom=f"{other} trousers")


def _heads(best: Look, colours: Sequence[str]) -> Iterator[Look]:
    for head in TRAITS["head"]:
        yield replace(best, head=phrases.HEADS.get(head, f"a {head} head"))


def _extras(best: Look, colours: Sequence[str]) -> Iterator[Look]:
    tables: tuple[Mapping[str, str], ...] = (phrases.TOPKNOTS, phrases.EARS, phrases.ACCESSORIES)
    for table in tables:
        for said in table.values():
            yield replace(best, extra=said)


ROUNDS: tuple[Round, ...] = (_nouns, _coats, _clothes, _heads, _extras)
