"""How the world's attributes and looks are put into words: tables that `captions` writes and reads by.

A new pose, mood, prop or place is one more row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from understudy.world.vocabulary import COLOURS, TRAITS


@dataclass(frozen=True)
class Phrase:
    """The wordings of one value of one attribute.

    `said` are written in captions and understood in prompts, the first being the plainest (the study's own
    form where there is one); `heard` are only understood; `implies` are further attributes that the wordings
    mean unless something else is said.
    """

    attribute: str
    value: str
    said: tuple[str, ...]
    heard: tuple[str, ...] = ()
    implies: Mapping[str, str] = field(default_factory=dict)


HOLDING = {"pose": "holding"}

PHRASES: tuple[Phrase, ...] = (
    Phrase("kind", "girl", ("girl",), ("girls",)),
    Phrase("kind", "boy", ("boy",), ("boys",)),
    Phrase("kind", "cat", ("cat",), ("cats", "kitten", "kitty")),
    Phrase("kind", "robot", ("robot",), ("robots", "android")),
    Phrase("kind", "creature", ("creature", "monster"), ("creatures", "monsters")),
    Phrase(
        "view",
        "front",
        ("front view", "from the front", "seen from the front"),
        ("frontal view", "view from the front", "facing us", "facing the viewer", "facing forward"),
    ),
    Phrase(
        "view",
        "side",
        ("side view", "from the side", "seen from the side", "in profile"),
        ("view from the side", "profile view", "profile", "sideways", "sideview"),
    ),
    Phrase(
        "view",
        "back",
        ("back view", "seen from behind", "from behind", "from the back"),
        ("seen from the back", "view from behind", "view from the back", "rear view", "facing away"),
    ),
    Phrase("framing", "portrait", ("portrait",), ("headshot", "head shot", "head and shoulders", "bust")),
    Phrase(
        "framing",
        "full_body",
        ("full body", "whole body"),
        ("full figure", "full length", "whole figure", "fullbody", "from head to toe", "head to toe"),
    ),
    Phrase("pose", "standing", ("standing",), ("stands", "standing up", "standing still", "stood")),
    Phrase(
        "pose",
        "waving",
        ("waving", "waving a hand"),
        ("waves", "waving hello", "waving goodbye", "waving hi", "waving at us"),
    ),
    Phrase("pose", "walking", ("walking",), ("walks", "taking a walk", "strolling", "going for a walk")),
    Phrase("pose", "running", ("running",), ("runs", "sprinting", "jogging")),
    Phrase("pose", "jumping", ("jumping",), ("jumps", "jumping up", "leaping", "jumping in the air")),
    Phrase("pose", "sitting", ("sitting", "sitting down"), ("sits", "seated")),
    Phrase("pose", "praying", ("praying",), ("prays", "in prayer", "saying a prayer")),
    Phrase(
        "pose",
        "hands_on_face",
        ("with hands on face", "with both hands on face", "hands on face"),
        ("with hands on cheeks", "hands on cheeks", "with hands over face", "covering face with hands"),
    ),
    Phrase("mood", "neutral", ("calm", "with a neutral face"), ("neutral", "neutral face", "serious")),
    Phrase(
        "mood",
        "smiling",
        ("smiling", "happy"),
        ("smiles", "with a smile", "with a smile on the face", "looking happy", "cheerful", "grinning"),
    ),
    Phrase("mood", "sad", ("sad", "looking sad"), ("unhappy", "sadly", "with a sad face")),
    Phrase("mood", "angry", ("angry", "looking angry"), ("mad", "furious", "with an angry face")),
    Phrase("mood", "laughing", ("laughing",), ("laughs", "laughing out loud", "laughing loudly")),
    Phrase(
        "gaze",
        "up",
        ("looking up", "looking upwards"),
        ("looks up", "gazing up", "looking upward", "looking at the sky", "looking up at the sky"),
    ),
    Phrase("gaze", "ahead", ("looking ahead", "looking straight ahead"), ("looking forward",)),
    Phrase(
        "prop",
        "ice_cream",
        ("with ice cream", "holding an ice cream", "eating ice cream", "with an ice cream"),
        ("ice cream", "ice cream cone", "with an ice cream cone", "holding an ice cream cone", "icecream",
         "eating an ice cream cone", "licking an ice cream", "having an ice cream"),
        HOLDING,
    ),
    Phrase(
        "prop",
        "book",
        ("holding a book", "reading a book", "with a book"),
        ("book", "reading", "reading in a book", "holding an open book"),
        HOLDING,
    ),
    Phrase(
        "prop",
        "sandwich",
        ("eating a sandwich", "holding a sandwich", "with a sandwich"),
        ("sandwich", "biting into a sandwich", "having a sandwich"),
        HOLDING,
    ),
    Phrase(
        "place",
        "paper",
        ("on white paper", "on a plain white background", "on a white background", "on paper"),
        ("white paper", "on plain paper", "on a plain background", "plain white background",
         "white background", "plain background", "blank background", "empty background"),
    ),
    Phrase(
        "place",
        "castle",
        ("in front of a castle", "at a castle", "by the castle"),
        ("castle", "near a castle", "at the castle gate", "next to a castle"),
    ),
    Phrase(
        "place",
        "sunset",
        ("watching the sunset", "at sunset", "in front of the sunset"),
        ("sunset", "watching a sunset", "looking at the sunset", "watches the sunset", "under a sunset"),
    ),
    Phrase(
        "place",
        "woods",
        ("in the woods", "in the forest", "in a forest"),
        ("woods", "forest", "through the woods", "through the forest", "among the trees", "between trees"),
    ),
)  # fmt: skip

# What holds any kind of character; "creature" is a kind of its own and says so.
GENERAL_NOUNS = ("character", "figure")

# Followed by "of" in a caption; "" leaves the opening out.
MEDIA = ("picture", "drawing", "cartoon", "sketch", "comic", "illustration", "")

# What covers the kinds that have a coat; `COAT_NOUN` wherever the table is silent.
COAT_NOUN = "hide"
COAT_NOUNS = {"cat": "fur", "robot": "metal"}

HAIR = {
    "long": "long {colour} hair",
    "bob": "a {colour} bob",
    "ponytail": "a {colour} ponytail",
    "buns": "{colour} hair buns",
    "curly": "curly {colour} hair",
    "short": "short {colour} hair",
    "spiky": "spiky {colour} hair",
}
HEADS = {"egg": "an egg shaped head"}
EARS = {"pointed": "pointed ears", "round": "round ears", "long": "long ears", "floppy": "floppy ears"}
TOPKNOTS = {"antenna": "an antenna", "tuft": "a tuft", "bump": "a bump", "spots": "spots"}
ACCESSORIES = {"glasses": "glasses", "bow": "a bow", "scarf": "a scarf", "cap": "a cap"}

# outfit -> (what has the top colour and the pattern, what has the bottom colour)
OUTFITS = {
    "shirt": ("shirt", "trousers"),
    "dress": ("dress", "tights"),
    "overall": ("shirt", "overall"),
}

# Words which tell looks, beyond those that the tables above contain.
_LOOK_WORDS = """
hair haired bun ponytails bobbed skin skinned fur furry coat metal hide ears eared head headed face eyes
antennas antennae tufts bumps spotted stripes dots plain shirt tshirt tee top trousers pants jeans tights
leggings dress dressed overalls dungarees clothes outfit gray light pale tanned
"""
_STOP_WORDS = """
of with and in on at by to from for as is are be being was it he she they who which that this there while
wearing having has shown showing seen view style colour color coloured colored please one s t picture
pictures image photo painting drawing drawn draw cartoon sketch comic illustration doodle person someone
character characters figure very any really little small
"""
LOOK_WORDS = frozenset(_LOOK_WORDS.split()) | frozenset(COLOURS)
STOP_WORDS = frozenset(_STOP_WORDS.split())
ARTICLES = frozenset(("a", "an", "the", "his", "her", "its", "their", "my", "your", "our", "some"))
NEGATIONS = frozenset(("not", "no", "without", "never", "nor", "neither", "hardly"))


@cache
def caption_words() -> frozenset[str]:
    """Every word that a caption can contain, names apart."""
    texts = [words for row in PHRASES for words in row.said]
    texts += [*GENERAL_NOUNS, *MEDIA, *COAT_NOUNS.values(), COAT_NOUN, "skin head hair clothes trousers"]
    for table in (HAIR, HEADS, EARS, TOPKNOTS, ACCESSORIES):
        texts += table.values()
    texts += [word for pair in OUTFITS.values() for word in pair]
    texts += [value for choices in TRAITS.values() for value in choices if value != "none"]
    texts += ["a an the of and with who has"]
    words = {word for text in texts for word in text.replace("{colour}", "").replace("_", " ").split()}
    return frozenset(words)
