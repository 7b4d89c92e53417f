"""The families of heroes' parts, slot by slot, and the look that a recipe gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from understudy.world import hero_backs as backs
from understudy.world import hero_marks as marks
from understudy.world import hero_ornaments as ornaments
from understudy.world.canvas import Canvas, Colour
from understudy.world.hero_heads import HeroHead
from understudy.world.puppet import Frame, Look, Part

Paint = Callable[[Canvas, Frame, Colour, Colour], None]
FRONT, SIDE, BACK = "front", "side", "back"
ALL = (FRONT, SIDE, BACK)
FACE = (FRONT, SIDE)

COLOURS: dict[str, Colour] = {
    "coral": (255, 122, 98),
    "apricot": (255, 188, 138),
    "gold": (252, 186, 40),
    "lemon": (255, 230, 104),
    "lime": (172, 214, 64),
    "leaf": (62, 164, 86),
    "mint": (142, 228, 192),
    "aqua": (58, 196, 208),
    "sky": (124, 194, 250),
    "cobalt": (58, 98, 220),
    "violet": (136, 92, 218),
    "lilac": (200, 166, 242),
    "magenta": (226, 64, 156),
    "rose": (255, 164, 194),
    "crimson": (204, 44, 62),
    "chestnut": (162, 100, 62),
    "cream": (255, 242, 214),
    "navy": (52, 66, 128),
    "plum": (120, 56, 126),
}


@dataclass(frozen=True)
class Family:
    """One way to fill a slot: how it is painted, and on which layer.

    `views` are those in which it shows clearly, `painted` those in which it is painted at all.
    `back_layer` is the layer in a view from behind. `tall` says that it stands on the crown or covers it,
    so that it suits neither a head with a tip nor a mark on the forehead.
    """

    paint: Paint
    views: tuple[str, ...] = ALL
    painted: tuple[str, ...] = ALL
    layer: str = "torso"
    back_layer: str = "torso"
    tall: bool = False


def _ornament(paint: Paint, layer: str = "behind_head", tall: bool = True) -> Family:
    return Family(paint, ALL, ALL, layer, layer, tall)


def _face(paint: Paint, views: tuple[str, ...] = FACE) -> Family:
    return Family(paint, views, views, "head", "head")


def _emblem(paint: Paint) -> Family:
    return Family(paint, (FRONT,), (FRONT,))


def _pattern(paint: Paint) -> Family:
    # The arm hides most of it in a side view.
    return Family(paint, (FRONT, BACK), ALL)


def _back(paint: Paint, back_layer: str = "torso") -> Family:
    return Family(paint, ALL, ALL, "behind", back_layer)


FAMILIES: Mapping[str, Mapping[str, Family]] = {
    "ornament": {
        "mushroom": _ornament(ornaments.mushroom, "over"),
        "sprout": _ornament(ornaments.sprout),
        "horn": _ornament(ornaments.horn, "over"),
        "antlers": _ornament(ornaments.antlers, tall=False),
        "flame": _ornament(ornaments.flame, "over"),
        "petals": _ornament(ornaments.petals, tall=False),
        "crest": _ornament(ornaments.crest, "over"),
        "cloud": _ornament(ornaments.cloud, "over"),
        "shell": _ornament(ornaments.shell, "over"),
        "cactus": _ornament(ornaments.cactus, "over"),
        "star_stalks": _ornament(ornaments.star_stalks, tall=False),
        "pinwheel": _ornament(ornaments.pinwheel, "over"),
        "crescent": _ornament(ornaments.crescent, "over"),
        "crystals": _ornament(ornaments.crystals),
        "tulip": _ornament(ornaments.tulip),
        "ram_horns": _ornament(ornaments.ram_horns, "over", tall=False),
        "fins": _ornament(ornaments.fins, "over", tall=False),
        "discs": _ornament(ornaments.discs, "over", tall=False),
        "head_wings": _ornament(ornaments.head_wings, "over", tall=False),
    },
    "face": {
        "patch": _face(marks.patch),
        "cheek_stars": _face(marks.cheek_stars),
        "cheek_spirals": _face(marks.cheek_spirals),
        "gem": _face(marks.gem),
        "halves": _face(marks.halves, ALL),
        "muzzle": _face(marks.muzzle),
        "band": _face(marks.band, ALL),
        "side_stripes": _face(marks.side_stripes, ALL),
        "face_heart": _face(marks.face_heart),
        "diamonds": _face(marks.diamonds),
    },
    "torso": {
        "zigzag": _pattern(marks.zigzag),
        "checks": _pattern(marks.checks),
        "sash": _pattern(marks.sash),
        "split": _pattern(marks.split),
        "chevrons": _pattern(marks.chevrons),
        "scales": _pattern(marks.scales),
        "star_emblem": _emblem(marks.star_emblem),
        "heart_emblem": _emblem(marks.heart_emblem),
        "spiral_belly": _emblem(marks.spiral_belly),
        "diamond_emblem": _emblem(marks.diamond_emblem),
        "bolt_emblem": _emblem(marks.bolt_emblem),
        "target": _emblem(marks.target),
    },
    "wear": {
        "petal_skirt": Family(backs.petal_skirt),
        "leaf_skirt": Family(backs.leaf_skirt),
        "puff": Family(backs.puff),
        "ruff": Family(backs.ruff, layer="behind_head", back_layer="behind_head"),
        "spike_collar": Family(backs.spike_collar, layer="behind_head", back_layer="behind_head"),
    },
    "back": {
        "arrow_tail": _back(backs.arrow_tail),
        "zigzag_tail": _back(backs.zigzag_tail),
        "curl_tail": _back(backs.curl_tail),
        "fan_tail": _back(backs.fan_tail),
        "butterfly_wings": _back(backs.butterfly_wings),
        "bat_wings": _back(backs.bat_wings),
        "cape": _back(backs.cape),
        "bedroll": _back(backs.bedroll),
        "turtle_shell": _back(backs.turtle_shell),
        "wind_up_key": _back(backs.wind_up_key, "behind_head"),
    },
}
# Marks on the face that lie where a blush would.
_BLUSHLESS = frozenset(("cheek_stars", "cheek_spirals", "muzzle", "band", "halves", "diamonds", "patch"))


@dataclass(frozen=True)
class Piece:
    """One distinguishing part: its slot and family, and two colours by name."""

    slot: str
    family: str
    colour: str
    accent: str

    @property
    def views(self) -> tuple[str, ...]:
        """The views in which it can be seen."""
        return FAMILIES[self.slot][self.family].views


@dataclass(frozen=True)
class Recipe:
    """What a hero is made of; colours by name. `coat` is the head's colour and the hands'."""

    head: str
    coat: str
    body: str
    arms: str
    legs: str
    feet: str
    eyes: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Painter:
    """Paints a piece when the puppet comes to its layer."""

    piece: Piece
    layer: str

    def __call__(self, canvas: Canvas, frame: Frame) -> None:
        """Paint the piece if it shows in this view, on this layer."""
        family = FAMILIES[self.piece.slot][self.piece.family]
        layer = family.back_layer if frame.view == BACK else family.layer
        if frame.view in family.painted and layer == self.layer:
            family.paint(canvas, frame, COLOURS[self.piece.colour], COLOURS[self.piece.accent])


def look_of(recipe: Recipe) -> Look:
    """The look that a recipe gives; equal for equal recipes, and it can be pickled."""
    order = list(FAMILIES)
    parts = []
    for piece in sorted(recipe.pieces, key=lambda piece: order.index(piece.slot)):
        family = FAMILIES[piece.slot][piece.family]
        parts += [Part(layer, Painter(piece, layer)) for layer in sorted({family.layer, family.back_layer})]
    return Look(
        head=HeroHead(recipe.head),
        head_colour=COLOURS[recipe.coat],
        torso_colour=COLOURS[recipe.body],
        arm_colour=COLOURS[recipe.arms],
        hand_colour=COLOURS[recipe.coat],
        leg_colour=COLOURS[recipe.legs],
        foot_colour=COLOURS[recipe.feet],
        outfit="none",
        parts=tuple(parts),
        eyes=recipe.eyes,
        blush=not any(piece.family in _BLUSHLESS for piece in recipe.pieces),
    )
