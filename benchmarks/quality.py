"""The quality ratio of methods on heroes: learn, draw the thirteen prompts, judge, bootstrap over heroes.

    python benchmarks/quality.py --out runs/quality --heroes 8 --count 3

Finished runs are not repeated, so that the same command goes on after a stop. Seeds from 1000 on are for the
final judging only and need --judging.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import understudy
from understudy.judges.quality import Key, bootstrap_difference, bootstrap_mean
from understudy.judging import VERDICTS_FILE
from understudy.recipes import DreamBoothLora, PromptOnly
from understudy.terminal import listening
from understudy.world.heroes import hero
from understudy.world.portfolio import write_drawings

JUDGING_FROM = 1000
FINISHED_FILE = "finished.json"
SAMPLE_COLUMNS = ("quality", "same_character", "attributes", "whole")


def judge_hero(seed: int, recipe: DreamBoothLora | PromptOnly, out: Path, count: int) -> Path:
    """Learn and judge one hero with one method; returns the run's folder.

    Raises `UserError` where the folder holds the figures of other settings.
    """
    folder = out / f"{recipe.method}-{seed:04d}"
    settings = {"recipe": recipe.model_dump(mode="json"), "count": count}
    finished = folder / FINISHED_FILE
    if finished.exists():
        if json.loads(finished.read_text())["settings"] != settings:
            raise understudy.UserError(f"{folder} was made with other settings: give another --out.")
        return folder
    of = hero(seed)
    drawings = out / "drawings" / f"{seed:04d}"
    write_drawings(of, drawings)
    was_begun = folder.exists()
    with listening() as notify:
        character = understudy.read_character(drawings, name=of.name, noun=of.noun, notify=notify)
        started = time.monotonic()
        run = understudy.learn(character, recipe, folder, notify=notify)
        learned = time.monotonic()
        understudy.judge(run, count=count, notify=notify, drift=False)
    # The time of a run that was interrupted says nothing.
    seconds = None if was_begun else round(learned - started, 1)
    finished.write_text(json.dumps({"settings": settings, "learning_s": seconds}))
    return folder


def values(folders: list[Path]) -> dict[str, dict[Key, float]]:
    """For each column, its value for each (hero, prompt, seed)."""
    table: dict[str, dict[Key, float]] = {name: {} for name in SAMPLE_COLUMNS}
    for folder in folders:
        prompts: dict[str, int] = {}
        for line in (folder / VERDICTS_FILE).read_text().splitlines():
            verdict = json.loads(line)
            prompt = verdict["scene"]["prompt"]
            place = prompts.setdefault(prompt, len(prompts))
            key = (folder.name.rsplit("-", 1)[1], f"{place:02d}", verdict["scene"]["seed"])
            right = all(verdict["attributes"].values()) and not verdict["not_judged"]
            table["quality"][key] = float(verdict["passed"])
            table["same_character"][key] = float(verdict["same_character"])
            table["attributes"][key] = float(right)
            table["whole"][key] = float(not verdict["damaged"])
    return table


def main() -> None:
    """Run what is missing and write the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--heroes", type=int, default=8)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--base")
    parser.add_argument("--judging", action="store_true", help="allow the heroes kept for judging")
    args = parser.parse_args()
    if args.first + args.heroes > JUDGING_FROM and not args.judging:
        parser.error(f"heroes from {JUDGING_FROM} on are for judging only: say --judging if you mean it")
    given = {"base": args.base} if args.base else {}
    learning = given | ({"steps": args.steps} if args.steps else {})
    recipes = (DreamBoothLora.model_validate(learning), PromptOnly.model_validate(given))
    lines = [
        "| method | quality ratio | same character | all asked for | undamaged | learning, s |",
        "|---" * 6 + "|",
    ]
    tables = []
    for recipe in recipes:
        folders = [judge_hero(args.first + n, recipe, args.out, args.count) for n in range(args.heroes)]
        table = values(folders)
        tables.append(table)
        cells = []
        for name in SAMPLE_COLUMNS:
            found = bootstrap_mean(table[name])
            cells.append(f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f})")
        seconds = [json.loads((folder / FINISHED_FILE).read_text())["learning_s"] for folder in folders]
        timed = [value for value in seconds if value is not None]
        cells.append(f"{sum(timed) / len(timed):.0f}" if timed else "not timed")
        lines.append(f"| {recipe.method} | {' | '.join(cells)} |")
    gap = bootstrap_difference(tables[0]["quality"], tables[1]["quality"])
    lines.append("")
    lines.append(
        f"Paired difference in quality ratio: {gap.mean:.3f} ({gap.low:.3f} to {gap.high:.3f}), "
        f"{gap.num_heroes} heroes, n = {gap.n}."
    )
    text = "\n".join(lines) + "\n"
    (args.out / "table.md").write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
