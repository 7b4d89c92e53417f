"""Pictures for the judge's training, painted once and kept at 96 x 96: `shard-*.npz` of a few strangers each.

Of each stranger: six drawings on paper as an artist would hand them in, scenes, the same scenes of a variant
of it (one thing is changed), and damaged ones. What differs is counted on the judge's 12 x 12 places.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from understudy.domain import Attributes, Pixels
from understudy.pretrain.strangers import Stranger, sample_stranger, variant
from understudy.world.damage import damaged, visible
from understudy.world.puppet import Look
from understudy.world.scenes import paint, possible, sample_attributes
from understudy.world.vocabulary import CHOICES, MOODS, POSES

SIDE = 96
PLACES = 12  # tokens of the judge a side
PART_SIDE = 24
PER_SHARD = 20
NUM_SCENES = 4
NUM_VARIANTS = 4  # the one at index i is of scene i
NUM_DAMAGED = 2  # likewise
VISIBLE_PIXELS = 60  # of 192 x 192: what is less is no variant
TRIES = 5

Labels = NDArray[np.uint8]
Redraw = Callable[[Sequence[Pixels]], Sequence[Pixels]]


@dataclass(frozen=True)
class Shard:
    """N strangers' pictures as uint8 RGB, indices into CHOICES, part maps, and counts of differing pixels.

    `drawings` (N, 6, 96, 96, 3), `scenes` (N, 4, ...), `variants` (N, 4, ...), `damaged` (N, 2, ...);
    `labels` (N, 10, 8) and `parts` (N, 10, 24, 24) of drawings and scenes; `changed` (N, 4, 12, 12) and
    `broken` (N, 2, 12, 12): differing pixels of the 256 of each place, at most 255; all 0: left out.
    """

    drawings: Pixels
    scenes: Pixels
    variants: Pixels
    damaged: Pixels
    labels: Labels
    parts: Labels
    changed: Labels
    broken: Labels

    @staticmethod
    def load(path: Path) -> Shard:
        """Read a shard's file."""
        with np.load(path) as arrays:
            return Shard(**{field.name: arrays[field.name] for field in fields(Shard)})


def small(pixels: Pixels, side: int = SIDE) -> Pixels:
    """A picture as the judge sees it."""
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def labels_of(wish: Attributes) -> Labels:
    """Indices into CHOICES, (8,); every attribute must be said."""
    said = wish.said()
    return np.array([choices.index(said[name]) for name, choices in CHOICES.items()], np.uint8)


def count_places(where: NDArray[np.bool_]) -> Labels:
    """How many pixels of each of the 12 x 12 places are True, (192, 192) -> (12, 12), at most 255."""
    side = where.shape[0] // PLACES
    blocks = where.reshape(PLACES, side, PLACES, side).sum(axis=(1, 3))
    counts: Labels = np.minimum(blocks, 255).astype(np.uint8)
    return counts


def redrawn(pictures: Sequence[Pixels], redraw: Redraw) -> Pixels:
    """Pictures (192, 192, 3) through `redraw`, as the judge sees them: (n, 96, 96, 3)."""
    return np.stack([small(pixels) for pixels in redraw(pictures)])


def drawn_scenes(rng: random.Random, kind: str) -> list[Attributes]:
    """What six drawings show: three fronts, one of them a portrait, two sides, one back, on white paper."""
    wishes = []
    for view, framing in (
        ("front", "full_body"),
        ("front", "full_body"),
        ("front", "portrait"),
        ("side", "full_body"),
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
            prop=rng.choice(("ice_cream", "book", "sandwich")) if pose == "holding" else "none",
            place="paper",
        )
        wishes.append(possible(wish))
    return wishes


def picture_set(seed: int, redraw: Redraw) -> dict[str, NDArray[np.uint8]]:
    """One stranger's row of every array of a shard; all but the drawings go through `redraw`."""
    rng = random.Random(f"judge {seed}")
    stranger = sample_stranger(rng)
    look = stranger.look()
    wishes = drawn_scenes(rng, stranger.kind)
    wishes += [sample_attributes(rng, stranger.kind) for _ in range(NUM_SCENES)]
    seeds = [rng.randrange(1 << 40) for _ in wishes]
    painted = [paint(look, wish, scene_seed) for wish, scene_seed in zip(wishes, seeds, strict=True)]
    drawings = np.stack([small(each.pixels) for each in painted[:-NUM_SCENES]])
    scenes = redrawn([each.pixels for each in painted[-NUM_SCENES:]], redraw)
    step = painted[0].parts.shape[0] // PART_SIDE
    parts = np.stack([each.parts[step // 2 :: step, step // 2 :: step] for each in painted])
    first = len(wishes) - NUM_SCENES
    variants: list[Pixels] = []
    changed = np.zeros((NUM_VARIANTS, PLACES, PLACES), np.uint8)
    for at in range(NUM_VARIANTS):
        scene = first + at
        found = _visible_variant(stranger, rng, wishes[scene], seeds[scene], painted[scene].pixels)
        variants.append(painted[scene].pixels if found is None else found[0])
        if found is not None:
            changed[at] = found[1]
    spoilt: list[Pixels] = []
    broken = np.zeros((NUM_DAMAGED, PLACES, PLACES), np.uint8)
    for at in range(NUM_DAMAGED):
        broke = damaged(look, wishes[first + at], seeds[first + at])
        spoilt.append(painted[first + at].pixels if broke is None else broke.pixels)
        if broke is not None:
            broken[at] = count_places(broke.where)
    return {
        "drawings": drawings,
        "scenes": scenes,
        "variants": redrawn(variants, redraw),
        "damaged": redrawn(spoilt, redraw),
        "labels": np.stack([labels_of(wish) for wish in wishes]),
        "parts": parts,
        "changed": changed,
        "broken": broken,
    }


def _visible_variant(
    stranger: Stranger, rng: random.Random, wish: Attributes, seed: int, pixels: Pixels
) -> tuple[Pixels, Labels] | None:
    """A variant's picture of a scene and how much differs at each place (12, 12); None if nothing does."""
    for _ in range(TRIES):
        other: Look = variant(stranger, rng).look()
        changed = paint(other, wish, seed).pixels
        where = visible(pixels, changed)
        if where.sum() >= VISIBLE_PIXELS:
            return changed, count_places(where)
    return None


def shards(folder: Path) -> Iterator[Path]:
    """The finished shards of a folder, in order."""
    yield from sorted(folder.glob("shard-*.npz"))


def write_shard(folder: Path, number: int, redraw: Redraw = list) -> Path:
    """Paint shard `number` unless it is there, and return its path."""
    path = folder / f"shard-{number:05d}.npz"
    if path.exists():
        return path
    rows = [picture_set(number * PER_SHARD + index, redraw) for index in range(PER_SHARD)]
    arrays: Mapping[str, NDArray[np.uint8]] = {
        name: np.stack([row[name] for row in rows]) for name in rows[0]
    }
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)
    return path


def paint_files(
    title: str, out: Path, count: int, unit: str, write: Callable[[Path, int, Redraw], Path]
) -> None:
    """Write files as the command line asks, the pictures through a base if it names one."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=count, help=unit)
    through = parser.add_mutually_exclusive_group()
    through.add_argument("--vae", type=Path, help="put the pictures, but no drawings, through this")
    through.add_argument("--base", type=Path, help="let this base half denoise them instead")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    redraw = _redraw_through(args.vae, args.base, args.first)
    for number in range(args.first, args.first + args.count):
        write(args.out, number, redraw)


def _redraw_through(vae: Path | None, base: Path | None, seed: int) -> Redraw:
    from understudy.pretrain.redrawing import Autoencoded, HalfDenoised

    if base:
        return HalfDenoised(base, seed=seed)
    return Autoencoded(vae, seed=seed) if vae else list


def main() -> None:
    """Paint shards; what is there already stays."""
    paint_files(
        "Paint shards for the judge.",
        Path("state/judge/shards"),
        200,
        f"shards of {PER_SHARD} strangers",
        write_shard,
    )


if __name__ == "__main__":
    main()
