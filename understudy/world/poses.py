"""Where the joints are, for each pose and view: one row a pose.

Units are those of the finished full-body picture, measured from the middle of the figure (x to the right of
the page, y down); the figure stands on y = 178 with the head's centre at y = 66. Side views face right.
"""

from __future__ import annotations

from dataclasses import dataclass

Joint = tuple[float, float]

SHOULDER_Y = 106.0
HIP_Y = 137.0
HEAD_CENTRE = (0.0, 66.0)
HEAD_RADIUS = 38.0


@dataclass(frozen=True)
class Joints:
    """Elbow and hand of the arms, knee and foot of the legs; in a side view the far limb comes first.

    `raised` moves the whole figure up (down if negative); `over` says that the arms lie over the head.
    """

    elbows: tuple[Joint, Joint]
    hands: tuple[Joint, Joint]
    knees: tuple[Joint, Joint]
    feet: tuple[Joint, Joint]
    raised: float = 0.0
    lean: float = 0.0
    over: bool = False


STRAIGHT_KNEES = ((-9.0, 156.0), (9.0, 156.0))
STRAIGHT_FEET = ((-10.0, 175.0), (10.0, 175.0))
SIDE_KNEES = ((-1.0, 156.0), (1.0, 156.0))
SIDE_FEET = ((-3.0, 175.0), (1.0, 175.0))

FRONT: dict[str, Joints] = {
    "standing": Joints(((-27, 120), (27, 120)), ((-30, 138), (30, 138)), STRAIGHT_KNEES, STRAIGHT_FEET),
    "waving": Joints(((-27, 120), (36, 112)), ((-30, 138), (52, 88)), STRAIGHT_KNEES, STRAIGHT_FEET),
    "walking": Joints(
        ((-29, 118), (30, 116)), ((-37, 134), (26, 131)), ((-14, 155), (15, 150)), ((-19, 175), (20, 168))
    ),
    "running": Joints(
        ((-36, 118), (36, 116)),
        ((-44, 102), (27, 126)),
        ((-17, 150), (20, 146)),
        ((-31, 172), (38, 156)),
        raised=3,
        lean=0.10,
    ),
    "jumping": Joints(
        ((-36, 100), (36, 100)),
        ((-52, 82), (52, 82)),
        ((-20, 150), (20, 150)),
        ((-12, 166), (12, 166)),
        raised=9,
    ),
    "sitting": Joints(
        ((-27, 120), (27, 120)),
        ((-31, 140), (31, 140)),
        ((-22, 149), (22, 149)),
        ((-36, 163), (36, 163)),
        raised=-9,
    ),
    "praying": Joints(
        ((-27, 125), (27, 125)), ((-4, 113), (4, 113)), STRAIGHT_KNEES, STRAIGHT_FEET, over=True
    ),
    "hands_on_face": Joints(
        ((-37, 116), (37, 116)), ((-27, 86), (27, 86)), STRAIGHT_KNEES, STRAIGHT_FEET, over=True
    ),
}

SIDE: dict[str, Joints] = {
    "standing": Joints(((0, 121), (-3, 121)), ((5, 138), (1, 139)), SIDE_KNEES, SIDE_FEET),
    "waving": Joints(((0, 121), (28, 116)), ((5, 138), (50, 92)), SIDE_KNEES, SIDE_FEET, over=True),
    "walking": Joints(
        ((9, 120), (-10, 120)), ((19, 133), (-17, 134)), ((-7, 155), (9, 155)), ((-18, 172), (16, 175))
    ),
    "running": Joints(
        ((13, 120), (-17, 117)),
        ((28, 112), (-12, 132)),
        ((-8, 154), (19, 147)),
        ((-31, 158), (27, 168)),
        raised=3,
        lean=0.12,
    ),
    "jumping": Joints(
        ((24, 102), (-24, 104)),
        ((48, 92), (-40, 92)),
        ((13, 150), (-4, 152)),
        ((3, 166), (-19, 164)),
        raised=9,
    ),
    "sitting": Joints(
        ((4, 121), (-8, 122)),
        ((12, 138), (-12, 141)),
        ((17, 143), (18, 147)),
        ((35, 163), (37, 165)),
        raised=-9,
    ),
    "praying": Joints(((10, 126), (8, 127)), ((27, 113), (25, 115)), SIDE_KNEES, SIDE_FEET, over=True),
    "hands_on_face": Joints(((24, 116), (18, 118)), ((33, 90), (25, 90)), SIDE_KNEES, SIDE_FEET, over=True),
}

# How the hands hold each prop, and where its middle is: (elbows, hands, place of the prop).
HOLDING_FRONT: dict[str, tuple[tuple[Joint, Joint], tuple[Joint, Joint], Joint]] = {
    "ice_cream": (((-27, 120), (34, 122)), ((-30, 138), (44, 110)), (45, 92)),
    "book": (((-29, 122), (29, 122)), ((-19, 128), (19, 128)), (0, 122)),
    "sandwich": (((-27, 120), (34, 122)), ((-30, 138), (42, 110)), (44, 101)),
}
HOLDING_SIDE: dict[str, tuple[tuple[Joint, Joint], tuple[Joint, Joint], Joint]] = {
    "ice_cream": (((0, 121), (18, 126)), ((5, 138), (42, 112)), (44, 94)),
    "book": (((12, 126), (14, 126)), ((32, 120), (30, 122)), (38, 116)),
    "sandwich": (((0, 121), (18, 126)), ((5, 138), (40, 110)), (44, 101)),
}


def joints(pose: str, view: str, prop: str) -> Joints:
    """The joints of a pose; a prop moves the arms to hold it."""
    table = SIDE if view == "side" else FRONT
    base = table["standing" if pose == "holding" else pose]
    if prop == "none":
        return base
    elbows, hands, _ = (HOLDING_SIDE if view == "side" else HOLDING_FRONT)[prop]
    return Joints(elbows, hands, base.knees, base.feet, base.raised, base.lean, over=True)


def prop_place(view: str, prop: str) -> Joint:
    """Where the middle of a held prop is."""
    return (HOLDING_SIDE if view == "side" else HOLDING_FRONT)[prop][2]
