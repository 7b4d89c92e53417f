"""Which recipe of dreambooth-lora is best: rows of knobs on the same heroes, compared in pairs.

    python benchmarks/ablation.py --out runs/ablation --first 40 --heroes 4 --judge

Two measures. The denoising loss of what was learned on the oracle's true pictures of the thirteen scenes, at
five noise levels with fixed noise: it costs a second, and no picture is drawn. And, with --judge, the quality
ratio. Both are paired with the first row's, bootstrapped over heroes. Finished runs and figures are not made
again, so the same command goes on after a stop; another base gives other figures and needs another --out.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import understudy
from understudy.bases.base import Base
from understudy.bases.conditioning import Conditioning
from understudy.events import Cancelled, Event, Notify, Step
from understudy.judges.quality import Estimate, Key, bootstrap_difference, bootstrap_mean
from understudy.methods import open_base_painter, open_painter
from understudy.methods.examples import CLASS_PICTURES_FOLDER
from understudy.methods.painting import PipelinePainter
from understudy.recipes import DreamBoothLora
from understudy.runs import VERDICTS_FILE, Checkpoint, Run, open_run
from understudy.terminal import listening
from understudy.world.captions import STUDY_PROMPTS
from understudy.world.heroes import Hero, hero, oracle
from understudy.world.portfolio import wish, write_drawings

ROWS_FILE = Path(__file__).with_name("ablation.toml")
JUDGING_FROM = 1000
LEVELS = (0.25, 0.5, 0.7, 0.85, 0.98)
"""Shares of all noise levels; the first two are details, the last two silhouette and pose."""
CLASS_PICTURE_KNOBS = ("prior_pictures", "prior_steps", "prior_guidance", "prior_prompts")
LOSSES_FILE = "true_losses.json"
TIMING_FILE = "learning_s.json"
JUDGED_FILE = "ablation_judged.json"
Losses = dict[str, list[list[float]]]
"""By step (and "before"): for each scene the loss at each level."""


@dataclass(frozen=True)
class Row:
    """One recipe of the table."""

    name: str
    recipe: DreamBoothLora

    @property
    def slug(self) -> str:
        return re.sub(r"\W+", "_", self.name.lower()).strip("_")


def read_rows(path: Path, base: str | None, steps: int | None) -> list[Row]:
    """The rows in the file, all of them on `base` and with `steps`, where these are given."""
    over = {name: value for name, value in (("base", base), ("steps", steps)) if value is not None}
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["row"]
    return [
        Row(
            str(table["name"]),
            DreamBoothLora.model_validate({**{k: v for k, v in table.items() if k != "name"}, **over}),
        )
        for table in tables
    ]


def learn(row: Row, of: Hero, seed: int, out: Path, notify: Notify) -> Run:
    """Learn one hero by one row; class pictures that another row has drawn alike are taken over."""
    drawings, folder = out / "drawings" / f"{seed:04d}", out / f"{row.slug}-{seed:04d}"
    write_drawings(of, drawings)
    character = understudy.read_character(drawings, name=of.name, noun=of.noun, notify=notify)
    was_begun = folder.exists()
    if row.recipe.has_prior and not was_begun:
        _share_class_pictures(row, character, folder, out)
    started = time.monotonic()
    run = understudy.learn(character, row.recipe, folder, notify=notify)
    if not was_begun:  # the time of a run that was interrupted says nothing
        (folder / TIMING_FILE).write_text(json.dumps(round(time.monotonic() - started, 1)))
    return run


def _share_class_pictures(row: Row, character: understudy.Character, folder: Path, out: Path) -> None:
    """Begin the run, and put into it the class pictures of a run that draws the same ones."""

    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.phase == "class pictures":
            raise Cancelled

    try:
        understudy.learn(character, row.recipe, folder, notify=stop)
    except Cancelled:
        mine = _what_decides_class_pictures(open_run(folder))
        for other in sorted(out.glob("*-[0-9][0-9][0-9][0-9]/" + CLASS_PICTURES_FOLDER)):
            pictures = len(list(other.glob("*.png")))
            is_whole = pictures == row.recipe.prior_pictures and other.parent != folder
            if is_whole and _what_decides_class_pictures(open_run(other.parent)) == mine:
                shutil.copytree(other, folder / CLASS_PICTURES_FOLDER, dirs_exist_ok=True)
                return


def _what_decides_class_pictures(run: Run) -> tuple[object, ...]:
    knobs = run.recipe.model_dump(include={"seed", *CLASS_PICTURE_KNOBS})
    return run.manifest.noun, run.manifest.base_sha256, json.dumps(knobs, sort_keys=True)


def measure(run: Run, of: Hero) -> Losses:
    """The losses on true pictures before learning and of every snapshot; kept in the run's folder."""
    path = run.folder / LOSSES_FILE
    known: Losses = json.loads(path.read_text()) if path.exists() else {}
    missing = [one for one in run.checkpoints() if one.keep and str(one.step) not in known]
    if "before" not in known:
        with open_base_painter(run) as painter:
            known["before"] = _true_losses(painter, of)
    for checkpoint in missing:
        known[str(checkpoint.step)] = _measure_checkpoint(run, checkpoint, of)
        path.write_text(json.dumps(known))
    return known


def _measure_checkpoint(run: Run, checkpoint: Checkpoint, of: Hero) -> list[list[float]]:
    with open_painter(run, checkpoint) as painter:
        return _true_losses(painter, of)


@torch.no_grad()
def _true_losses(painter: object, of: Hero) -> list[list[float]]:
    assert isinstance(painter, PipelinePainter)
    base = painter.base
    prompts = [prompt.replace("{name}", of.name) for prompt in STUDY_PROMPTS]
    truths = np.stack([oracle(of, wish(of, prompt), 0).pixels for prompt in prompts])
    clean = base.encode_image(torch.from_numpy(truths).permute(0, 3, 1, 2).float() / 127.5 - 1).mean
    words = base.encode_prompt([painter.read(prompt) for prompt in prompts])
    return torch.stack([_at_level(base, clean, words, number) for number in range(len(LEVELS))], 1).tolist()


def _at_level(base: Base, clean: Tensor, words: Conditioning, number: int) -> Tensor:
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(number))
    times = torch.full((len(clean),), int(LEVELS[number] * base.objective.num_times))
    seen = base.objective.corrupt(clean, noise.to(clean), times.to(clean.device))
    answer = base.predict(seen.noisy, times.to(clean.device), words)
    return (answer - seen.target).square().mean(dim=(1, 2, 3))


def judge(run: Run, count: int, notify: Notify) -> None:
    """Draw and judge the thirteen scenes, unless it is done."""
    done = run.folder / JUDGED_FILE
    if not done.exists() or json.loads(done.read_text()) != count:
        understudy.judge(run, count=count, notify=notify, drift=False)
        done.write_text(json.dumps(count))


def _column(losses: Mapping[int, Losses], step: str, levels: Sequence[int]) -> dict[Key, float]:
    return {
        (f"{seed:04d}", f"{scene:02d}", 0): float(np.mean([of_scene[level] for level in levels]))
        for seed, one in losses.items()
        for scene, of_scene in enumerate(one[step])
    }


def _passed(folders: Sequence[Path]) -> dict[Key, float]:
    """Whether a picture passed, by (hero, prompt, seed)."""
    found: dict[Key, float] = {}
    for folder in folders:
        prompts: dict[str, int] = {}
        for line in (folder / VERDICTS_FILE).read_text(encoding="utf-8").splitlines():
            verdict = json.loads(line)
            place = prompts.setdefault(verdict["scene"]["prompt"], len(prompts))
            key = (folder.name.rsplit("-", 1)[1], f"{place:02d}", verdict["scene"]["seed"])
            found[key] = float(verdict["passed"])
    return found


def _say(estimate: Estimate) -> str:
    return f"{estimate.mean:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def make_table(
    rows: Sequence[Row], losses: Mapping[str, Mapping[int, Losses]], out: Path, judged: bool
) -> str:
    """Markdown: a line for each row, and its differences from the first row."""
    first = rows[0]
    head = ["recipe", "loss", "minus the first row's", "t <= 0.5", "t = 0.7", "t >= 0.85", "best at step"]
    head += ["quality ratio", "minus the first row's"] if judged else []
    head += ["learning, s"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in rows:
        cells = [row.name, *_loss_cells(row, first, losses)]
        if judged:
            cells += _quality_cells(row, first, list(losses[row.name]), out)
        cells.append(_seconds(row, list(losses[row.name]), out))
        lines.append(f"| {' | '.join(cells)} |")
    before = _mean(losses[first.name], "before", range(len(LEVELS)))
    heroes = ", ".join(str(seed) for seed in losses[first.name])
    lines += ["", f"Heroes {heroes}; thirteen scenes each; before learning {before:.3f}."]
    return "\n".join(lines) + "\n"


def _loss_cells(row: Row, first: Row, losses: Mapping[str, Mapping[int, Losses]]) -> list[str]:
    everything = range(len(LEVELS))
    mine, last = losses[row.name], str(row.recipe.steps)
    gap = bootstrap_difference(
        _column(mine, last, everything), _column(losses[first.name], str(first.recipe.steps), everything)
    )
    snapshots = [step for step in next(iter(mine.values())) if step != "before"]
    by_step = {
        step: _mean(mine, step, everything) for step in snapshots if all(step in m for m in mine.values())
    }
    best = min(by_step, key=lambda step: by_step[step])
    parts = [f"{_mean(mine, last, part):.3f}" for part in ((0, 1), (2,), (3, 4))]
    return [f"{by_step[last]:.3f}", _say(gap), *parts, f"{best}: {by_step[best]:.3f}"]


def _quality_cells(row: Row, first: Row, seeds: Sequence[int], out: Path) -> list[str]:
    mine, other = (_passed([out / f"{one.slug}-{seed:04d}" for seed in seeds]) for one in (row, first))
    return [_say(bootstrap_mean(mine)), _say(bootstrap_difference(mine, other))]


def _seconds(row: Row, seeds: Sequence[int], out: Path) -> str:
    paths = [out / f"{row.slug}-{seed:04d}" / TIMING_FILE for seed in seeds]
    times = [float(json.loads(path.read_text())) for path in paths if path.exists()]
    return f"{np.mean(times):.0f}" if times else "not timed"


def _mean(losses: Mapping[int, Losses], step: str, levels: Sequence[int]) -> float:
    return float(np.mean(list(_column(losses, step, levels).values())))


def main() -> None:
    """Learn and measure what is missing, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=Path, default=ROWS_FILE, help="a TOML file of recipes")
    parser.add_argument("--first", type=int, default=40)
    parser.add_argument("--heroes", type=int, default=4)
    parser.add_argument("--judge", action="store_true", help="also draw and judge: some minutes a run")
    parser.add_argument("--count", type=int, default=3, help="pictures of each scene for the judge")
    parser.add_argument("--base")
    parser.add_argument("--steps", type=int, help="for a trial of the command itself")
    args = parser.parse_args()
    if args.first + args.heroes > JUDGING_FROM:
        parser.error(f"heroes from {JUDGING_FROM} on are for judging only")
    rows = read_rows(args.rows, args.base, args.steps)
    losses: dict[str, dict[int, Losses]] = {row.name: {} for row in rows}
    with listening() as notify:
        # Hero by hero, so that a stop leaves whole columns of the table.
        for seed in range(args.first, args.first + args.heroes):
            for row in rows:
                of = hero(seed)
                run = learn(row, of, seed, args.out, notify)
                losses[row.name][seed] = measure(run, of)
                if args.judge:
                    judge(run, args.count, notify)
            text = make_table(rows, losses, args.out, args.judge)
            (args.out / "table.md").write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
