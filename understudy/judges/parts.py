"""Where the parts of a figure are in a picture, by the names that an artist calls them."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.domain import Pixels, UserError
from understudy.world.canvas import PART_INDEX

Shares = NDArray[np.float32]
"""How surely each of canvas.PARTS is seen at each pixel: (12, height, width), 0 to 1, summing to 1."""

WHOLE: Mapping[str, tuple[str, ...]] = {
    "face": ("head", "eye", "mouth", "brow"),
    "head": ("head", "hair", "eye", "mouth", "brow"),
    "hair": ("hair",),
    "eyes": ("eye", "brow"),
    "mouth": ("mouth",),
    "body": ("body",),
    "arms": ("arm",),
    "legs": ("leg",),
    "ornament": ("ornament",),
    "held thing": ("prop",),
    "background": ("paper", "scenery"),
    "figure": ("body", "arm", "leg", "head", "hair", "eye", "mouth", "brow", "ornament"),
}
SPOKEN: Mapping[str, str] = {
    "head": "head",
    "hair": "head",
    "eye": "head",
    "mouth": "head",
    "brow": "head",
    "body": "body",
    "arm": "arms",
    "leg": "legs",
    "ornament": "ornament",
    "prop": "held thing",
}
"""What an artist is told of each part that may be damaged."""
SIDED: Mapping[str, str] = {"arm": "arm", "hand": "arm", "leg": "leg", "foot": "leg"}
NAMES = (*WHOLE, *(f"{side} {limb}" for limb in SIDED for side in ("left", "right")))
"""All that `mask_part` knows; left and right are the picture's, as one looks at it."""

SEEN = 0.4
"""From this share on a pixel belongs to a part; small ones such as a mouth never fill a cell of the map."""
LEAST_AREA = 0.0015
MARGIN = 0.03
END_RADIUS = 0.075
"""Of a hand or foot, as a share of the picture's longer side; all areas and lengths here are shares of it."""
FEATURES = ("eye", "mouth", "brow")
MOST_HEAD = 0.55
"""Share of the figure above which a head is no face: it is the body as well, or fills a portrait."""
FAINT = 0.2
"""From this share on a pixel may be a feature; the surest count most."""
STRAY = 0.05
"""Share of all that looks like features that may lie outside the face on each side: a button, a toe."""
AROUND = 0.35
"""How far a face goes beyond its features, of the longer side of their box."""
FACE_HEIGHT = 0.75
"""Of a face's width at least, as a thin mouth is seldom seen and the eyes always are."""


def mask_part(shares: Shares, part: str) -> Pixels:
    """A mask (height, width), 255 on the part and a little around it, so that it may change its outline.

    A hand is the end of an arm, a foot that of a leg. Raises `UserError` where there is no such part, or
    where it is not seen.
    """
    name = " ".join(part.lower().split())
    if name not in NAMES:
        raise UserError(f"There is no part {part!r}: name one of {', '.join(NAMES)}, or give a mask.")
    side = max(shares.shape[1:])
    if name == "face":
        found = _face(shares)
    elif name in WHOLE:
        found = _seen(shares, WHOLE[name])
    else:
        where, limb = name.split()
        found = _on_side(_seen(shares, (SIDED[limb],)), shares, where)
        if limb in ("hand", "foot") and found.any():
            found = _end(found, shares, round(END_RADIUS * side))
    if found.sum() < LEAST_AREA * side * side:
        raise UserError(f"No {name} is seen in this picture: paint a mask and give it instead.")
    reach = 2 * round(MARGIN * side) + 1
    grown = cv2.dilate(found.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return np.asarray(grown * 255, np.uint8)


def name_places(shares: NDArray[np.float32], places: NDArray[np.float32]) -> list[str]:
    """The part of the figure at the strongest of the places of each picture.

    `shares` are the pictures' parts (pictures, 12, 24, 24), `places` (pictures, 144) the logits of 12 x 12.
    """
    named = []
    for seen, logits in zip(shares, places, strict=True):
        row, column = divmod(int(logits.argmax()), 12)
        here = seen[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].sum(axis=(1, 2))
        named.append(SPOKEN[max(SPOKEN, key=lambda part: float(here[PART_INDEX[part]]))])
    return named


def mask_seen(shares: Shares, part: str) -> Pixels:
    """A mask (height, width), 255 exactly where a part of `WHOLE` is seen; empty where it is not."""
    return _seen(shares, WHOLE[part]).astype(np.uint8) * 255


def mask_figure(shares: Shares) -> Pixels:
    """A mask (height, width), 255 where one of the figure's own parts is seen more surely than all else."""
    own = [PART_INDEX[part] for part in WHOLE["figure"]]
    return np.isin(shares.argmax(axis=0), own).astype(np.uint8) * 255


def _seen(shares: Shares, parts: tuple[str, ...]) -> NDArray[np.bool_]:
    seen: NDArray[np.bool_] = shares[[PART_INDEX[part] for part in parts]].sum(axis=0) >= SEEN
    return seen


def _face(shares: Shares) -> NDArray[np.bool_]:
    """The head without its hair, or what lies around the features where a head is most of the figure."""
    head, figure = _seen(shares, WHOLE["face"]), _seen(shares, WHOLE["figure"])
    if head.sum() <= MOST_HEAD * figure.sum():
        return head
    features = shares[[PART_INDEX[part] for part in FEATURES]].sum(axis=0)
    weights = np.where(features >= FAINT, features**2, 0)
    if not weights.any():
        return head
    top, bottom = _ends(weights.sum(axis=1))
    left, right = _ends(weights.sum(axis=0))
    bottom = max(bottom, top + round(FACE_HEIGHT * (right - left)))
    around = round(AROUND * max(bottom - top, right - left))
    box = np.zeros(head.shape, np.bool_)
    box[max(0, top - around) : bottom + around + 1, max(0, left - around) : right + around + 1] = True
    return box & _seen(shares, tuple(part for part in WHOLE["figure"] if part != "hair"))


def _ends(weights: NDArray[np.floating]) -> tuple[int, int]:
    """Between which of its places most of a row of weights lies."""
    grown = np.cumsum(weights) / weights.sum()
    return int(np.searchsorted(grown, STRAY)), int(np.searchsorted(grown, 1 - STRAY))


def _on_side(limbs: NDArray[np.bool_], shares: Shares, where: str) -> NDArray[np.bool_]:
    """The limbs left or right of the middle of the trunk, or of all limbs where no trunk is seen."""
    trunk = _seen(shares, ("body", "head"))
    columns = np.flatnonzero((trunk if trunk.any() else limbs).any(axis=0))
    if not len(columns):
        return limbs
    middle = float((columns[0] + columns[-1]) / 2)
    is_left = np.arange(limbs.shape[1]) < middle
    return limbs & (is_left if where == "left" else ~is_left)


def _end(limb: NDArray[np.bool_], shares: Shares, radius: int) -> NDArray[np.bool_]:
    """A disc at the end of a limb: around the pixels that are farthest from where it leaves the trunk."""
    rows, columns = np.nonzero(limb)
    trunk = _seen(shares, ("body",))
    if trunk.any():
        away = cv2.distanceTransform((~trunk).astype(np.uint8), cv2.DIST_L2, 5)[limb]
        root = away <= away.min() + 2
        start = (rows[root].min(), columns[root].mean())  # an arm lies along the trunk: it begins at its top
    else:
        start = (rows.min(), columns.mean())
    distance = np.hypot(rows - start[0], columns - start[1])
    tip = distance >= distance.max() - radius
    disc = np.zeros(limb.shape, np.uint8)
    cv2.circle(disc, (round(columns[tip].mean()), round(rows[tip].mean())), radius, 1, -1)
    return disc.astype(bool)
