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
