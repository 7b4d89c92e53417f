"""Measures the judge on development heroes (seeds below 1000).

How many of the oracle's pictures pass, and how many hard negatives do.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from understudy.domain import Attributes, Character, Drawing, Picture, Pixels, Scene, Verdict
from understudy.judges.puppet import PuppetJudge, shrink
from understudy.judges.quality import wilson
from understudy.pretrain.judge_batches import worn
from understudy.world.captions import STUDY_PROMPTS, parse
from understudy.world.damage import damaged
from understudy.world.heroes import Hero, difference, drawings, hero, oracle, variant, wished

VISIBLE = 80  # pixels of 192 x 192 in which a variant must differ
MORE_PROMPTS = (
    "{name} standing, front view, on white paper",
    "{name} running, side view, in the woods",
    "{name} jumping, laughing, at sunset",
    "{name} sitting, angry, front view",
    "{name} waving, smiling, in front of a castle",
    "a portrait of {name}, looking up",
    "{name} standing, seen from behind, in the woods",
)
Redraw = Callable[[Sequence[Pixels]], list[Pixels]]


@dataclass(frozen=True)
class Case:
    """A picture to judge, and the group in the report that it belongs to."""

    group: str
    picture: Picture
    should_pass: bool


def character_of(of: Hero) -> Character:
    """The hero as the judge gets it."""
    shown = tuple(Drawing(Path(made.filename), made.pixels, made.caption) for made in drawings(of))
    return Character(of.name, of.noun, shown)


def prompts_of(of: Hero) -> list[str]:
    """The study's prompts and a few more, with the hero's name."""
    return [prompt.replace("{name}", of.name) for prompt in (*STUDY_PROMPTS, *MORE_PROMPTS)]


def true_pictures(of: Hero, rng: random.Random) -> list[Picture]:
    """The oracle's pictures of the prompts."""
    return [
        Picture(
            Scene(prompt, number),
            oracle(of, parse(prompt, of.name).attributes, rng.randrange(1 << 30)).pixels,
        )
        for number, prompt in enumerate(prompts_of(of))
    ]


def cases(of: Hero, others: Sequence[Hero], rng: random.Random) -> Iterator[Case]:
    """True pictures of a hero and false ones, for the study's prompts and a few more."""
    prompts = prompts_of(of)
    for number, prompt in enumerate(prompts):
        wish = parse(prompt, of.name).attributes
        scene = Scene(prompt, number)
        seed = rng.randrange(1 << 30)

        def case(group: str, pixels: Pixels, scene: Scene = scene) -> Case:
            return Case(group, Picture(scene, pixels), group == "oracle")

        yield case("oracle", oracle(of, wish, seed).pixels)
        changed = variant(of, rng)
        if changed.changed is not None and difference(of, changed, wish, seed) >= VISIBLE:
            yield case(f"variant {changed.changed.how}", oracle(changed, wish, seed).pixels)
        broken = damaged(of.look, wished(wish), seed)
        if broken is not None:
            yield case(f"damaged {broken.damage}", broken.pixels)
        wrong = parse(prompts[(number + rng.randrange(1, len(prompts))) % len(prompts)], of.name).attributes
        if _shows_another(wish, wrong):
            yield case("wrong scene", oracle(of, wrong, seed).pixels)
        yield case("other hero", oracle(rng.choice(others), wish, seed).pixels)


def _shows_another(wish: Attributes, wrong: Attributes) -> bool:
    shown = wished(wrong).said()
    return any(shown.get(name) != value for name, value in wish.said().items() if name != "kind")


@dataclass(frozen=True)
class Row:
    """One line of the report: how many of `n` passed, and how many failed on each count."""

    group: str
    n: int
    passed: int
    other: int
    attributes: int
    damaged: int
    wrong: dict[str, int]

    def text(self) -> str:
        """The row as a line of the table."""
        low, high = wilson(self.passed, self.n)
        heads = ", ".join(f"{name} {count}" for name, count in sorted(self.wrong.items()))
        shares = [f"{count / self.n:.1%}" for count in (self.other, self.attributes, self.damaged)]
        passed = f"{self.passed / self.n:.1%} ({low:.1%} to {high:.1%})"
        return f"| {' | '.join([self.group, str(self.n), passed, *shares, heads])} |"


def measure(
    judge: PuppetJudge, seeds: Sequence[int], redraw: Redraw | None = None, seed: int = 0
) -> list[Row]:
    """Judge the cases of development heroes, their pictures first put through `redraw`."""
    if max(seeds) >= 1000:
        raise ValueError("Heroes from seed 1000 on are never looked at here.")
    verdicts: dict[str, list[Verdict]] = {}
    for number in seeds:
        rng = random.Random(f"report {seed} {number}")
        found = list(
            cases(hero(number), [hero(other % 1000) for other in range(number + 1, number + 9)], rng)
        )
        pictures = [case.picture for case in found]
        if redraw is not None:
            fresh = redraw([picture.pixels for picture in pictures])
            pictures = [replace(old, pixels=new) for old, new in zip(pictures, fresh, strict=True)]
        for case, verdict in zip(found, judge(pictures, character_of(hero(number))), strict=True):
            verdicts.setdefault(case.group, []).append(verdict)
    groups = {"oracle": ["oracle"]}
    for whole in ("variant", "damaged"):
        groups[f"{whole}, all"] = [name for name in sorted(verdicts) if name.startswith(whole)]
    groups |= {name: [name] for name in ("wrong scene", "other hero")}
    hard = [*groups["variant, all"], *groups["damaged, all"], "wrong scene"]
    groups["hard negatives"] = hard
    groups |= {name: [name] for name in sorted(hard) if name != "wrong scene"}
    return [_row(name, [v for each in members for v in verdicts[each]]) for name, members in groups.items()]


def _row(group: str, verdicts: Sequence[Verdict]) -> Row:
    wrong: dict[str, int] = {}
    for verdict in verdicts:
        for name, right in verdict.attributes.items():
            if not right:
                wrong[name] = wrong.get(name, 0) + 1
    return Row(
        group,
        len(verdicts),
        sum(verdict.passed for verdict in verdicts),
        sum(not verdict.same_character for verdict in verdicts),
        sum(not all(verdict.attributes.values()) for verdict in verdicts),
        sum(verdict.damaged for verdict in verdicts),
        wrong,
    )


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table: shares of n, the first with its 95% Wilson interval."""
    head = "| pictures | n | pass | other character | attribute wrong | damaged | wrong heads |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *[row.text() for row in rows]])


def wear(pictures: Sequence[Pixels], seed: int = 0) -> list[Pixels]:
    """Pictures as files and resampling leave them, at the judge's size."""
    rng = np.random.default_rng(seed)
    return [worn(shrink(pixels), rng) for pixels in pictures]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judge", type=Path, help="a folder with weights; the embedded ones by default")
    parser.add_argument("--heroes", type=int, default=50, help="development heroes, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--worn", action="store_true", help="wear the pictures first")
    parser.add_argument("--vae", type=Path, help="put the pictures through this autoencoder first")
    parser.add_argument("--base", type=Path, help="let this base half denoise the pictures first")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    redraw: Redraw | None = wear if args.worn else None
    if args.vae:
        from understudy.pretrain.redrawing import Autoencoded

        redraw = Autoencoded(args.vae)
    if args.base:
        from understudy.pretrain.redrawing import HalfDenoised

        redraw = HalfDenoised(args.base)
    rows = measure(PuppetJudge(args.judge), range(args.first, args.first + args.heroes), redraw)
    sys.stdout.write(table(rows) + "\n")


if __name__ == "__main__":
    main()
