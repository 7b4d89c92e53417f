"""Pictures for the judge's training, painted once, kept at 96 x 96: `kin-*.npy`, a row for each stranger.

A stranger and its kin, which differs from it in one thing, are drawn and shown in the same scenes. So every
picture is true to one set of drawings and false to the other, and what a picture shows by itself says nothing
of whether it is the right character: only the comparison does. The stranger's scenes are there damaged, too.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from understudy.domain import Attributes, Pixels
from understudy.judges.network import PLACES, SIDE
from understudy.judges.puppet import shrink
from understudy.pretrain.strangers import HEADS, Stranger, sample_stranger
from understudy.pretrain.variants import variant
from understudy.world.damage import damaged, visible
from understudy.world.scenes import Painted, paint, possible, sample_attributes
from understudy.world.vocabulary import CHOICES, MOODS, POSES, PROPS

PART_SIDE = 24
PER_FILE = 64
NUM_DRAWINGS = 4
NUM_SCENES = 3
VISIBLE_PIXELS = 60  # of 192 x 192: what is less is no change
TRIES = 5
STRANGER = 0.7  # of strangers without anything of its own, so many are given it
_SHOWN = NUM_DRAWINGS + NUM_SCENES

# `labels` and `parts` are of drawings, then scenes; `changed` and `broken` count those of each place's 256
# pixels that tell scenes from the kin's and from the damaged ones: at most 255, all 0 where none does.
ROW = np.dtype(
    [
        ("drawings", np.uint8, (2, NUM_DRAWINGS, SIDE, SIDE, 3)),
        ("scenes", np.uint8, (2, NUM_SCENES, SIDE, SIDE, 3)),
        ("damaged", np.uint8, (NUM_SCENES, SIDE, SIDE, 3)),
        ("labels", np.uint8, (_SHOWN, len(CHOICES))),
        ("parts", np.uint8, (2, _SHOWN, PART_SIDE, PART_SIDE)),
        ("changed", np.uint8, (NUM_SCENES, PLACES, PLACES)),
        ("broken", np.uint8, (NUM_SCENES, PLACES, PLACES)),
    ]
)
Redraw = Callable[[Sequence[Pixels]], Sequence[Pixels]]
Counts = NDArray[np.uint8]


def labels_of(wish: Attributes) -> Counts:
    """Indices into CHOICES, (8,); every attribute must be said."""
    said = wish.said()
    return np.array([choices.index(said[name]) for name, choices in CHOICES.items()], np.uint8)


def count_places(where: NDArray[np.bool_]) -> Counts:
    """How many pixels of each of the 12 x 12 places are True, (192, 192) -> (12, 12), at most 255."""
    side = where.shape[0] // PLACES
    blocks = where.reshape(PLACES, side, PLACES, side).sum(axis=(1, 3))
    counts: Counts = np.minimum(blocks, 255).astype(np.uint8)
    return counts


def drawn_scenes(rng: random.Random, kind: str) -> list[Attributes]:
    """What four drawings show: two fronts, one of them a portrait, a side and a back, on white paper."""
    wishes = []
    for view, framing in (
        ("front", "full_body"),
        ("front", "portrait"),
        ("side", "full_body"),
        ("back", "full_body"),
    ):
        pose = "standing" if rng.random() < 0.4 else rng.choice(POSES)
        wish = Attributes(
            kind=kind,
            view=view,
            framing=framing,
            pose=pose,
            mood=rng.choice(MOODS),
            gaze="up" if rng.random() < 0.1 else "ahead",
            prop=rng.choice(PROPS[1:]) if pose == "holding" else "none",
            place="paper",
        )
        wishes.append(possible(wish))
    return wishes


def kin_of(stranger: Stranger, rng: random.Random, wishes: Sequence[Attributes]) -> Stranger | None:
    """A variant whose first drawing, from the front, or whose back differs visibly; None if none of a few."""
    for _ in range(TRIES):
        other = variant(stranger, rng)
        for wish in (wishes[0], wishes[3]):
            before, after = (paint(each.look(), wish, 0).pixels for each in (stranger, other))
            if visible(before, after).sum() >= VISIBLE_PIXELS:
                return other
    return None


def sample_odd(rng: random.Random) -> Stranger:
    """A stranger, more often than in the world one with ornaments and a head of its own."""
    stranger = sample_stranger(rng)
    while rng.random() < STRANGER and not any(piece.family == "ornament" for piece in stranger.pieces):
        stranger = sample_stranger(rng)
    if stranger.head in HEADS and rng.random() < STRANGER / 2:
        stranger = replace(stranger, head=str(rng.randrange(1 << 30)))
    return stranger


def paint_row(seed: int, redraw: Redraw = list) -> NDArray[np.void]:
    """One stranger and its kin; all but the drawings go through `redraw`."""
    rng = random.Random(f"kin {seed}")
    while True:
        stranger = sample_odd(rng)
        wishes = drawn_scenes(rng, stranger.kind)
        other = kin_of(stranger, rng, wishes)
        if other is not None:
            break
    wishes += [sample_attributes(rng, stranger.kind) for _ in range(NUM_SCENES)]
    seeds = [rng.randrange(1 << 40) for _ in wishes]
    painted = [
        [paint(each.look(), wish, at) for wish, at in zip(wishes, seeds, strict=True)]
        for each in (stranger, other)
    ]
    broke = [damaged(stranger.look(), wishes[at], seeds[at]) for at in range(NUM_DRAWINGS, _SHOWN)]
    row = np.zeros((), ROW)
    row["drawings"] = [[shrink(each.pixels) for each in some[:NUM_DRAWINGS]] for some in painted]
    shown = [each.pixels for some in painted for each in some[NUM_DRAWINGS:]]
    shown += [shown[at] if each is None else each.pixels for at, each in enumerate(broke)]
    redrawn = np.stack([shrink(pixels) for pixels in redraw(shown)])
    row["scenes"] = redrawn[: 2 * NUM_SCENES].reshape(2, NUM_SCENES, SIDE, SIDE, 3)
    row["damaged"] = redrawn[2 * NUM_SCENES :]
    row["labels"] = [labels_of(wish) for wish in wishes]
    row["parts"] = [[_part_map(each) for each in some] for some in painted]
    for at in range(NUM_SCENES):
        where = visible(shown[at], shown[NUM_SCENES + at])
        if where.sum() >= VISIBLE_PIXELS:
            row["changed"][at] = count_places(where)
    for at, each in enumerate(broke):
        if each is not None:
            row["broken"][at] = count_places(each.where)
    return row


def _part_map(painted: Painted) -> Counts:
    step = painted.parts.shape[0] // PART_SIDE
    return painted.parts[step // 2 :: step, step // 2 :: step]


def write_kin(folder: Path, number: int, redraw: Redraw = list) -> Path:
    """Paint file `number` unless it is there, and return its path."""
    path = folder / f"kin-{number:05d}.npy"
    if path.exists():
        return path
    rows = np.stack([paint_row(number * PER_FILE + index, redraw) for index in range(PER_FILE)])
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.save(file, rows)
    part.replace(path)
    return path


def files(folder: Path) -> Iterator[Path]:
    """The finished files of a folder, in order."""
    yield from sorted(folder.glob("kin-*.npy"))


def _redraw_through(vae: Path | None, base: Path | None, seed: int) -> Redraw:
    from understudy.pretrain.redrawing import Autoencoded, HalfDenoised

    if base:
        return HalfDenoised(base, seed=seed)
    return Autoencoded(vae, seed=seed) if vae else list


def main() -> None:
    """Paint kin; what is there already stays."""
    parser = argparse.ArgumentParser(description="Paint strangers and their kin for the judge.")
    parser.add_argument("--out", type=Path, default=Path("state/judge/kin"))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=64, help=f"files of {PER_FILE} strangers")
    through = parser.add_mutually_exclusive_group()
    through.add_argument("--vae", type=Path, help="put the pictures, but no drawings, through this")
    through.add_argument("--base", type=Path, help="let this base half denoise them instead")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    redraw = _redraw_through(args.vae, args.base, args.first)
    for number in range(args.first, args.first + args.count):
        write_kin(args.out, number, redraw)


if __name__ == "__main__":
    main()
