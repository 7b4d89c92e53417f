"""The core vocabulary of the world: everything a scene can ask for, as data."""

from __future__ import annotations

KINDS = ("girl", "boy", "cat", "robot", "creature")
VIEWS = ("front", "side", "back")
FRAMINGS = ("full_body", "portrait")
POSES = (
    "standing",
    "waving",
    "walking",
    "running",
    "jumping",
    "sitting",
    "praying",
    "hands_on_face",
    "holding",
)
MOODS = ("neutral", "smiling", "sad", "angry", "laughing")
GAZES = ("ahead", "up")
PROPS = ("none", "ice_cream", "book", "sandwich")
PLACES = ("paper", "castle", "sunset", "woods")

CHOICES: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "view": VIEWS,
    "framing": FRAMINGS,
    "pose": POSES,
    "mood": MOODS,
    "gaze": GAZES,
    "prop": PROPS,
    "place": PLACES,
}

COLOURS = (
    "red",
    "orange",
    "yellow",
    "green",
    "teal",
    "blue",
    "purple",
    "pink",
    "brown",
    "grey",
    "white",
    "black",
)

# What a character of the world looks like. Which trait a kind has, and which choices suit it, is said in
# `world/characters.py`; a trait that a kind does not have is left out of its traits.
TRAITS: dict[str, tuple[str, ...]] = {
    "skin": ("fair", "tan", "brown", "dark"),  # girl and boy
    "coat": COLOURS,  # fur, metal or hide of cat, robot and creature
    "hair_style": ("long", "bob", "ponytail", "buns", "curly", "short", "spiky"),
    "hair_colour": COLOURS,
    "head": ("round", "square", "tall", "wide", "egg"),
    "ears": ("none", "pointed", "round", "long", "floppy"),
    "topknot": ("none", "antenna", "tuft", "bump", "spots"),  # what stands on a head without hair
    "outfit": ("shirt", "dress", "overall", "none"),
    "top_colour": COLOURS,
    "bottom_colour": COLOURS,
    "pattern": ("plain", "striped", "dotted"),
    "accessory": ("none", "glasses", "bow", "scarf", "cap"),
}
