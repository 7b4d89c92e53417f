"""Captions of the world's pictures: many wordings of what one shows. `parse` is their inverse."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from understudy.domain import Attributes
from understudy.world import phrases
from understudy.world.phrases import PHRASES, Phrase
from understudy.world.reading import Parsed, parse
from understudy.world.vocabulary import TRAITS

__all__ = (
    "STUDY_PROMPTS",
    "Caption",
    "Parsed",
    "caption",
    "full_caption",
    "parse",
    "sample_caption",
    "short_caption",
    "visible",
    "visible_traits",
)

STUDY_PROMPTS: tuple[str, ...] = tuple(
    "a picture of {name} " + scene
    for scene in (
        "sad",
        "smiling",
        "angry",
        "praying",
        "with hands on face",
        "laughing",
        "with ice cream",
        "holding a book",
        "eating a sandwich",
        "in front of a castle",
        "watching the sunset",
        "walking in the woods",
        "looking up",
    )
)

# Words and commas of a caption: 40 positions of the text encoder less its first and last token.
MAX_TOKENS = 38

FULL, SHORT = 0.7, 0.2  # shares of the training captions; the rest is empty


@dataclass(frozen=True)
class Caption:
    """A caption and exactly what it says; a name says nothing here, whoever knows the name adds its looks."""

    text: str
    attributes: Attributes
    traits: Mapping[str, str]


def visible(attributes: Attributes) -> Attributes:
    """The attributes without those that the picture cannot show: a face from behind, an empty hand."""
    if attributes.view == "back":
        attributes = replace(attributes, mood=None, gaze=None)
    if attributes.prop == "none":
        attributes = replace(attributes, prop=None)
    return attributes


def visible_traits(attributes: Attributes, traits: Mapping[str, str]) -> dict[str, str]:
    """The looks that the picture shows and that words can tell (no "none", no trousers in a portrait)."""
    seen = {trait: traits[trait] for trait in TRAITS if traits.get(trait, "none") != "none"}
    if traits.get("outfit") == "none":
        for trait in ("pattern", "top_colour", "bottom_colour"):
            seen.pop(trait, None)
    if attributes.framing == "portrait" and seen.get("outfit") != "overall":
        seen.pop("bottom_colour", None)
    if attributes.view == "back" and seen.get("accessory") == "glasses":
        del seen["accessory"]
    return seen


def caption(
    attributes: Attributes,
    traits: Mapping[str, str],
    subject: str,
    rng: random.Random,
    named: bool = False,
) -> str:
    """One of many wordings of all that the picture shows.

    `subject` is a noun ("girl" is written "a girl"), or with `named` a name ("Zorvi", "Zorvi the girl"),
    which takes no article. The kind is told by the subject alone.
    """
    return full_caption(attributes, traits, subject, rng, named).text


def full_caption(
    attributes: Attributes,
    traits: Mapping[str, str],
    subject: str,
    rng: random.Random,
    named: bool = False,
) -> Caption:
    """As `caption`, with what it says; a neutral face, a gaze ahead or a plain pattern may go unsaid."""
    said = visible(attributes)
    if said.mood == "neutral" and rng.random() < 0.4:
        said = replace(said, mood=None)
    if said.gaze == "ahead" and rng.random() < 0.85:
        said = replace(said, gaze=None)
    looks = visible_traits(attributes, traits)
    if looks.get("pattern") == "plain" and rng.random() < 0.8:
        del looks["pattern"]
    return _write(said, looks, attributes.kind, subject, rng, named)


def short_caption(
    attributes: Attributes,
    traits: Mapping[str, str],
    subject: str,
    rng: random.Random,
    named: bool = False,
) -> Caption:
    """A caption of none to three attributes and seldom a look, as people prompt, the study among them."""
    seen = visible(attributes).said()
    units = [unit for unit in (("pose", "prop"), ("mood",), ("gaze",), ("view",), ("framing",), ("place",))
             if any(name in seen for name in unit)]  # fmt: skip
    chosen = rng.sample(units, min(len(units), rng.choice((0, 1, 1, 1, 2, 2, 3))))
    said = Attributes(**{name: seen[name] for unit in chosen for name in unit if name in seen})
    looks = visible_traits(attributes, traits)
    kept = rng.sample(sorted(looks), min(len(looks), rng.choice((0, 0, 0, 1, 2))))
    told = {trait: looks[trait] for trait in kept if (trait, looks[trait]) != ("pattern", "plain")}
    return _write(said, told, attributes.kind, subject, rng, named)


def sample_caption(
    attributes: Attributes, traits: Mapping[str, str], rng: random.Random, name: str | None = None
) -> Caption:
    """A caption as training wants them: 70% say everything, 20% little, 10% nothing.

    With a `name` it stands for the looks, which are then seldom told, and now and then "the girl" follows it.
    """
    level = rng.random()
    if level >= FULL + SHORT:
        return Caption("", Attributes(), {})
    subject = name or noun(attributes, rng)
    if name and rng.random() < 0.25:
        subject = f"{name} the {noun(attributes, rng)}"
    if name and rng.random() < 0.8:
        traits = {}
    write = full_caption if level < FULL else short_caption
    return write(attributes, traits, subject, rng, named=name is not None)


def noun(attributes: Attributes, rng: random.Random) -> str:
    """A noun for the character: mostly its kind's, or one that tells nothing."""
    own = [
        word
        for row in PHRASES
        if row.attribute == "kind" and row.value == attributes.kind
        for word in row.said
    ]
    return rng.choice(own if own and rng.random() < 0.75 else phrases.GENERAL_NOUNS)


def _write(
    said: Attributes,
    looks: Mapping[str, str],
    kind: str | None,
    subject: str,
    rng: random.Random,
    named: bool,
) -> Caption:
    """Put into words what is to be said."""
    values = said.said()
    values.pop("kind", None)
    if values.get("pose") == "holding" and "prop" not in values:
        del values["pose"]  # holding is told by what is held
    said = Attributes(kind=parse(subject).attributes.kind, **values)
    opening = _opening(values, rng)
    name = _noun_phrase(values, subject, rng, named)
    looked = _listing(_look_phrases(looks, kind, rng), rng)
    clauses = _clauses(values, rng)
    comma = rng.random() < 0.7
    text = _join((opening, name, looked), clauses, comma)
    if _count(text) > MAX_TOKENS:
        text = _shorten(_join((opening, name, looked), clauses, comma=False))
    return Caption(text, said, dict(looks))


def _wording(attribute: str, value: str, rng: random.Random) -> str:
    """One of the wordings of a value, the plainest one half of the time."""
    row = _rows()[attribute, value]
    return row.said[0] if rng.random() < 0.5 else rng.choice(row.said)


@cache
def _rows() -> dict[tuple[str, str], Phrase]:
    return {(row.attribute, row.value): row for row in PHRASES}


def _opening(values: dict[str, str], rng: random.Random) -> str:
    """ "a picture of", "portrait of", "full body drawing of", ...; takes what it says out of `values`."""
    medium = rng.choice(phrases.MEDIA) if rng.random() < 0.6 else "picture"
    if values.get("framing") == "portrait" and rng.random() < 0.4:
        medium = values.pop("framing")
    elif values.get("framing") == "full_body" and medium and rng.random() < 0.3:
        medium = f"{_wording('framing', values.pop('framing'), rng)} {medium}"
    elif "view" in values and rng.random() < 0.15:
        medium = _rows()["view", values.pop("view")].said[0]
    if not medium:
        return ""
    return f"{_article(medium) if rng.random() < 0.8 else ''}{medium} of"


def _noun_phrase(values: dict[str, str], subject: str, rng: random.Random, named: bool) -> str:
    """ "a sad girl", "Zorvi", ...; takes the mood out of `values` where it says it."""
    words = subject
    if "mood" in values and rng.random() < (0.1 if named else 0.25):
        adjective = _rows()["mood", values.pop("mood")].said[0]
        words = f"{adjective} {subject}"
    return words if named else _article(words) + words


def _article(words: str) -> str:
    return "an " if words[0].lower() in "aeiou" else "a "


def _look_phrases(looks: Mapping[str, str], kind: str | None, rng: random.Random) -> list[str]:
    """One phrase for each thing to be seen of the character."""
    told: list[str] = []
    if "skin" in looks:
        told.append(f"{looks['skin']} skin")
    if "coat" in looks:
        told.append(f"{looks['coat']} {phrases.COAT_NOUNS.get(kind or '', phrases.COAT_NOUN)}")
    if "hair_style" in looks or "hair_colour" in looks:
        form = phrases.HAIR[looks["hair_style"]] if "hair_style" in looks else "{colour} hair"
        told.append(form.format(colour=looks.get("hair_colour", "")))
    if "head" in looks:
        told.append(phrases.HEADS.get(looks["head"], f"a {looks['head']} head"))
    for trait, table in (
        ("ears", phrases.EARS),
        ("topknot", phrases.TOPKNOTS),
        ("accessory", phrases.ACCESSORIES),
    ):
        if trait in looks:
            told.append(table[looks[trait]])
    told += _clothes(looks)
    if rng.random() < 0.3:
        rng.shuffle(told)
    return [" ".join(phrase.split()) for phrase in told]


def _clothes(looks: Mapping[str, str]) -> Iterator[str]:
    top, bottom = phrases.OUTFITS.get(looks.get("outfit", ""), ("clothes", "trousers"))
    if any(trait in looks for trait in ("outfit", "pattern", "top_colour")):
        article = "a " if top != "clothes" else ""
        yield f"{article}{looks.get('pattern', '')} {looks.get('top_colour', '')} {top}"
    if looks.get("outfit") == "overall":
        yield f"{looks.get('bottom_colour', '')} {bottom}"
    elif "bottom_colour" in looks:
        yield f"{looks['bottom_colour']} {bottom}"


def _listing(told: Sequence[str], rng: random.Random) -> str:
    """ "with long hair, a red shirt and a cap"."""
    if not told:
        return ""
    link = "with" if rng.random() < 0.8 else "who has"
    if len(told) == 1:
        return f"{link} {told[0]}"
    return f"{link} {', '.join(told[:-1])} and {told[-1]}"


def _clauses(values: Mapping[str, str], rng: random.Random) -> list[str]:
    """What the character does and where, and how it is seen, in any order."""
    clauses = [
        _wording(name, values[name], rng) for name in ("mood", "gaze", "view", "framing") if name in values
    ]
    action = _action(values, rng)
    place = _wording("place", values["place"], rng) if "place" in values else ""
    if action and place and rng.random() < 0.7:
        clauses.append(f"{action} {place}")
    else:
        clauses += [clause for clause in (action, place) if clause]
    rng.shuffle(clauses)
    return clauses


def _action(values: Mapping[str, str], rng: random.Random) -> str:
    pose, prop = values.get("pose", "holding"), values.get("prop")
    if prop is None:
        return _wording("pose", pose, rng) if pose != "holding" else ""
    if pose == "holding":
        return _wording("prop", prop, rng)
    held = next(words for words in _rows()["prop", prop].said if words.startswith("with "))
    return f"{_wording('pose', pose, rng)} {held}"


def _join(head: Sequence[str], clauses: Sequence[str], comma: bool) -> str:
    start = " ".join(part for part in head if part)
    if not comma:
        return " ".join((start, *clauses))
    # The first clause of a short caption follows the name directly, as in "a picture of Zorvi sad".
    if clauses and not head[-1]:
        start, clauses = f"{start} {clauses[0]}", clauses[1:]
    return ", ".join((start, *clauses))


def _count(text: str) -> int:
    """About how many tokens a caption has: its known words and commas are one each, a name at most six."""
    pieces = re.findall(r"\w+|[^\w\s]", text.lower())
    return sum(1 if piece == "," or piece in phrases.caption_words() else 6 for piece in pieces)


def _shorten(text: str) -> str:
    """Leave out, one after the other until it fits, articles from the left and then commas."""
    for pattern in (r"(?<= )an? ", r", "):
        while _count(text) > MAX_TOKENS and re.search(pattern, text):
            text = re.sub(pattern, "" if pattern[-2] != "," else " ", text, count=1)
    return text
