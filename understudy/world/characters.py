"""Characters of the training world: traits drawn at random, and the look that they give."""

from __future__ import annotations

import random
from collections.abc import Mapping

from understudy.world import parts
from understudy.world.canvas import Colour, Points, superellipse
from understudy.world.palette import RGB, SKIN, shade
from understudy.world.poses import HEAD_RADIUS
from understudy.world.puppet import Look, Part, round_head
from understudy.world.vocabulary import COLOURS, TRAITS

# Ink lines must show on a coat.
COATS = tuple(colour for colour in COLOURS if colour != "black")

# Which traits a kind has, beside the top's colour, the bottom's and the accessory, which all have.
KIND_TRAITS: dict[str, dict[str, tuple[str, ...]]] = {
    "girl": {
        "skin": TRAITS["skin"],
        "hair_style": ("long", "bob", "ponytail", "buns", "curly"),
        "hair_colour": COLOURS,
        "outfit": ("dress", "shirt"),
    },
    "boy": {
        "skin": TRAITS["skin"],
        "hair_style": ("short", "spiky", "curly"),
        "hair_colour": COLOURS,
        "outfit": ("shirt", "overall"),
    },
    "cat": {
        "coat": COATS,
        "ears": ("pointed",),
        "topknot": ("none", "tuft", "spots"),
        "outfit": TRAITS["outfit"],
    },
    "robot": {
        "coat": COATS,
        "head": ("square",),
        "topknot": ("antenna", "bump", "none"),
        "outfit": ("none", "overall"),
    },
    "creature": {
        "coat": COATS,
        "head": TRAITS["head"],
        "ears": ("none", "round", "long", "floppy"),
        "topknot": TRAITS["topknot"],
        "outfit": TRAITS["outfit"],
    },
}
KIND_WEIGHTS = {"girl": 2, "boy": 2, "cat": 2, "robot": 2, "creature": 5}


def sample_traits(rng: random.Random, kind: str | None = None) -> dict[str, str]:
    """Draw a character's traits; the key "kind" is among them."""
    if kind is None:
        kind = rng.choices(list(KIND_WEIGHTS), list(KIND_WEIGHTS.values()))[0]
    traits = {"kind": kind}
    traits |= {name: rng.choice(choices) for name, choices in KIND_TRAITS[kind].items()}
    # Hair the colour of the skin or a shirt the colour of the fur would hide a trait that the caption names.
    avoid = {traits.get("coat"), traits.get("hair_colour")} - {None}
    if traits["outfit"] != "none":
        traits["top_colour"] = rng.choice([colour for colour in COLOURS if colour not in avoid])
        if traits["outfit"] != "dress":
            traits["bottom_colour"] = rng.choice(
                [c for c in COLOURS if c != traits["top_colour"] and c not in avoid]
            )
        traits["pattern"] = rng.choices(("plain", "striped", "dotted"), (3, 1, 1))[0]
        if traits["outfit"] == "overall":
            traits["pattern"] = "plain"
    worn = [choice for choice in TRAITS["accessory"] if choice != "cap" or _may_wear_cap(traits)]
    traits["accessory"] = rng.choice(["none", "none", *worn])
    return traits


def _may_wear_cap(traits: Mapping[str, str]) -> bool:
    return (
        traits.get("ears", "none") == "none"
        and traits.get("topknot", "none") == "none"
        and traits.get("hair_style", "short") in ("short", "bob", "long")
    )


def look_of(traits: Mapping[str, str]) -> Look:
    """The look that traits give; what they leave open follows from a seed made of them."""
    rng = random.Random(repr(sorted(traits.items())))
    kind = traits["kind"]
    skin = SKIN[traits["skin"]] if "skin" in traits else RGB[traits["coat"]]
    naked = traits["outfit"] == "none"
    top = skin if naked else RGB[traits["top_colour"]]
    bottom = RGB[traits["bottom_colour"]] if "bottom_colour" in traits else skin
    worn = _contrast(rng, traits)
    hue = _contrast(rng, traits)
    own: list[Part] = []
    if kind == "cat":
        own += parts.tail(skin)
    own += parts.ears(traits.get("ears", "none"), skin)
    if kind in ("cat", "robot"):
        own += parts.muzzle(kind)
    if "hair_style" in traits:
        own += parts.hair(traits["hair_style"], RGB[traits["hair_colour"]])
    own += parts.topknot(traits.get("topknot", "none"), hue)
    own += parts.pattern(
        traits.get("pattern", "plain"),
        shade(top, -0.55) if traits.get("top_colour") != "white" else RGB["grey"],
    )
    own += parts.accessory(traits["accessory"], worn)
    sleeves = skin if naked or (kind == "girl" and traits["outfit"] == "dress") else top
    return Look(
        head=HeadShape(traits.get("head", "round")),
        head_colour=skin,
        torso_colour=top,
        arm_colour=sleeves,
        hand_colour=skin,
        leg_colour=bottom,
        foot_colour=rng.choice([RGB["brown"], RGB["black"], RGB["red"]])
        if kind in ("girl", "boy")
        else shade(bottom, 0.25),
        outfit=traits["outfit"],
        parts=tuple(own),
        eyes=rng.choice(("round", "round", "dot")),
        blush=kind != "robot",
    )


def _contrast(rng: random.Random, traits: Mapping[str, str]) -> Colour:
    used = {traits.get("coat"), traits.get("hair_colour"), traits.get("top_colour")}
    return RGB[
        rng.choice([name for name in ("red", "yellow", "blue", "purple", "teal", "pink") if name not in used])
    ]


class HeadShape:
    """A head outline by name; the same from every side."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, view: str) -> Points:
        match self.name:
            case "round":
                return round_head(view)
            case "square":
                return round_head(view, power=5.0, rx=0.96, ry=0.92)
            case "tall":
                return round_head(view, power=2.4, rx=0.86, ry=1.06)
            case "wide":
                return round_head(view, power=2.4, rx=1.1, ry=0.9)
            case "egg":
                outline = superellipse((0, 0), HEAD_RADIUS, HEAD_RADIUS * 1.02, 2.0)
                outline[:, 0] *= 1 + outline[:, 1] / HEAD_RADIUS * 0.18
                return outline
            case _:
                raise ValueError(f"no such head: {self.name}")
